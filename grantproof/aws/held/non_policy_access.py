"""How resource types give access: by policies, by existing, or by a property.

Policies are compared with the contract. This module lists the rest: types that give access, or create what does,
without a policy that is read, and properties that do. A type that is not AWS's own is assumed to give access. Source,
for each type:
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-template-resource-type-ref.html
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any

from grantproof.aws.held.api_methods import is_preflight
from grantproof.aws.held.strangers_builds import builds_for_anybody, starts_for_anybody
from grantproof.aws.templates.carriers import ATTACHMENTS, CARRIERS
from grantproof.aws.templates.external_principals import holds_policy, named_principal
from grantproof.source import at


class AccessKind(Enum):
    """How resources of a type give access."""

    POLICY = "by policies, which are compared with the contract"
    DIRECT = "by existing: no policy that is read says whom it lets in"
    NONE = "not at all, whatever its properties contain"


#: Types in full (POLICY, NONE) and prefixes of types (DIRECT), of which the longest that matches counts.
ACCESS_KINDS: Mapping[str, AccessKind] = {
    **dict.fromkeys(
        (
            "AWS::ECR::Repository",
            "AWS::IAM::Group",
            "AWS::IAM::GroupPolicy",
            "AWS::IAM::ManagedPolicy",
            "AWS::IAM::Policy",
            "AWS::IAM::Role",
            "AWS::IAM::RolePolicy",
            "AWS::IAM::User",
            "AWS::IAM::UserPolicy",
            "AWS::IAM::UserToGroupAddition",
            "AWS::KMS::Key",
            "AWS::S3::BucketPolicy",
            "AWS::SNS::Topic",
            "AWS::SNS::TopicInlinePolicy",
            "AWS::SNS::TopicPolicy",
            "AWS::SQS::QueueInlinePolicy",
            "AWS::SQS::QueuePolicy",
            "AWS::SecretsManager::ResourcePolicy",
            *CARRIERS,
            *ATTACHMENTS,
        ),
        AccessKind.POLICY,
    ),
    **dict.fromkeys(
        # The resources of a nested stack are checked themselves; the properties of a bucket are in ACCESS_PROPERTIES.
        (
            "AWS::CloudFormation::Stack",
            "AWS::S3::Bucket",
            "AWS::SQS::Queue",
            "AWS::SSM::Parameter",
            "AWS::SecretsManager::Secret",
        ),
        AccessKind.NONE,
    ),
    **dict.fromkeys(
        (
            "AWS::ApiGatewayV2::Api",  # routes without authorization, also in Body
            "AWS::ApiGatewayV2::Route",
            "AWS::AppRunner::Service",  # anyone who knows its URL
            "AWS::AppSync::",  # API keys and identity providers
            "AWS::Chatbot::",  # members of the channel, as a role
            "AWS::CleanRooms",  # members are other accounts
            "AWS::CloudFormation::CustomResource",  # runs the code of its function
            "AWS::CloudFormation::Macro",
            "AWS::CloudFormation::StackSet",  # other accounts, other templates
            "AWS::CloudFormation::TypeActivation",  # third-party code, with a role
            "AWS::Cognito::IdentityPool",  # guests, and users who sign in
            "AWS::Config::AggregationAuthorization",
            "AWS::DataZone::",  # members of projects, as their roles
            "AWS::Detective::OrganizationAdmin",
            "AWS::EC2::NetworkInterfacePermission",
            "AWS::EC2::VPCEndpointService",
            "AWS::EC2::VerifiedAccess",  # users of an identity provider
            "AWS::ECR::PublicRepository",  # anyone can pull from it
            "AWS::EKS::AccessEntry",
            "AWS::EKS::IdentityProviderConfig",
            "AWS::EKS::PodIdentityAssociation",
            "AWS::EMR::StudioSessionMapping",
            "AWS::Glue::DevEndpoint",  # the holder of the key, as a role
            "AWS::Grafana::Workspace",  # users who sign in, as a role
            "AWS::IAM::",  # access keys, instance profiles, identity providers
            "AWS::IdentityStore::GroupMembership",
            "AWS::ImageBuilder::DistributionConfiguration",  # LaunchPermissionConfiguration
            "AWS::IoT::RoleAlias",  # the holder of a certificate, as a role
            "AWS::LakeFormation::",
            "AWS::Lambda::LayerVersionPermission",
            "AWS::Lambda::WebFunctionEndpoint",
            "AWS::Lightsail::Bucket",  # AccessRules
            "AWS::Location::APIKey",
            "AWS::Oam::Link",
            "AWS::Organizations::",
            "AWS::Proton::EnvironmentAccountConnection",
            "AWS::RAM::",
            "AWS::Redshift::EndpointAuthorization",
            "AWS::RolesAnywhere::",
            "AWS::S3::AccessGrant",
            "AWS::SSO::",
            "AWS::SecurityHub::DelegatedAdmin",
            "AWS::Serverless::",  # resources that no transform has expanded
            "AWS::ServiceCatalog::CloudFormationProvisionedProduct",  # another template
            "AWS::ServiceCatalog::LaunchRoleConstraint",  # users who launch the product, as a role
            "AWS::ServiceCatalog::PortfolioPrincipalAssociation",
            "AWS::ServiceCatalog::PortfolioShare",
            "AWS::ServiceCatalog::StackSetConstraint",  # other accounts
            "AWS::Shield::DRTAccess",
            "AWS::Transfer::Agreement",  # a partner, as a role
            "AWS::Transfer::User",  # the holder of the key, as a role
            "AWS::Transfer::WebApp",
        ),
        AccessKind.DIRECT,
    ),
}

#: Properties that decide about access, by type. The set has the values that give no access; None marks a property that
#: gives none by itself, and is only compared between two deployments or judged elsewhere.
#: https://docs.aws.amazon.com/AmazonS3/latest/userguide/acl-overview.html#canned-acl and
#: https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html and
#: https://docs.aws.amazon.com/apigateway/latest/developerguide/permissions.html and
#: https://docs.aws.amazon.com/codebuild/latest/userguide/public-builds.html and
#: https://docs.aws.amazon.com/transfer/latest/userguide/custom-identity-provider-users.html
ACCESS_PROPERTIES: Mapping[str, Mapping[str, frozenset[str] | None]] = {
    "AWS::ApiGateway::Method": {"AuthorizationType": frozenset({"AWS_IAM"})},
    "AWS::ApiGateway::RestApi": {"CloneFrom": frozenset()},  # has the methods of an API that is not looked at
    "AWS::CodePipeline::Pipeline": {"Triggers": None},
    "AWS::CodeBuild::Project": {"Triggers": None, "Visibility": frozenset({"PRIVATE"})},
    "AWS::EC2::KeyPair": {"PublicKeyMaterial": frozenset()},  # the holder of the private key, as the instance's role
    "AWS::IAM::User": {"LoginProfile": None},
    "AWS::Lambda::Url": {"AuthType": frozenset({"AWS_IAM"}), "Cors": None},
    "AWS::Logs::AccountPolicy": {
        # Subscribes every log group, to the destination in the policy's text.
        "PolicyType": frozenset({"DATA_PROTECTION_POLICY", "FIELD_INDEX_POLICY", "TRANSFORMER_POLICY"})
    },
    "AWS::S3::AccessPoint": {"PublicAccessBlockConfiguration": None, "VpcConfiguration": None},
    "AWS::S3::Bucket": {
        "AccessControl": frozenset({"Private", "BucketOwnerRead", "BucketOwnerFullControl"}),
        "OwnershipControls": None,
        "PublicAccessBlockConfiguration": None,
    },
    "AWS::Transfer::Server": {"IdentityProviderType": frozenset({"SERVICE_MANAGED"})},
}
#: Those of them that AWS requires: where one is missing, no authorization is assumed.
_NEEDED = frozenset({"AuthType", "AuthorizationType"})
#: Properties that look like a policy and give no access: they limit what other policies give, or are no IAM policies.
#: https://docs.aws.amazon.com/vpc/latest/privatelink/vpc-endpoints-access.html and
#: https://docs.aws.amazon.com/waf/latest/developerguide/waf-rule-statements.html
LIMITING_PROPERTIES: Mapping[str, str] = {
    "AWS::EC2::VPCEndpoint": "PolicyDocument",
    "AWS::Logs::LogGroup": "DataProtectionPolicy",
    "AWS::SNS::Topic": "DataProtectionPolicy",
    "AWS::WAFv2::RuleGroup": "Rules",
    "AWS::WAFv2::WebACL": "Rules",
}


def without_limiting_property(type_: str, properties: Any) -> Any:
    """Properties without the one in `LIMITING_PROPERTIES`."""
    if isinstance(properties, Mapping) and LIMITING_PROPERTIES.get(type_) in properties:
        return {key: value for key, value in properties.items() if key != LIMITING_PROPERTIES[type_]}
    return properties


def access_kind(type_: str) -> AccessKind | None:
    """How resources of a type give access; None where that depends on their properties."""
    if not type_.startswith(("AWS::", "Alexa::")):
        return AccessKind.DIRECT
    if type_ in ACCESS_KINDS:
        return ACCESS_KINDS[type_]
    beginnings = [
        begins for begins, way in ACCESS_KINDS.items() if way is AccessKind.DIRECT and type_.startswith(begins)
    ]
    return ACCESS_KINDS[max(beginnings, key=len)] if beginnings else None


def granting_property(type_: str, properties: Any) -> str:
    """The property by which a resource gives access, as `Name: value`; empty where none does. An unresolved value
    counts as giving access."""
    if isinstance(properties, Mapping) and not _is_preflight_method(type_, properties):
        for name, harmless in ACCESS_PROPERTIES.get(type_, {}).items():
            value = properties.get(name, "NONE" if name in _NEEDED else None)
            if harmless is not None and value is not None and str(value) not in harmless:
                return f"{name}: {value}"
        if type_ == "AWS::CodeBuild::Project":
            return builds_for_anybody(properties.get("Triggers"))
        if type_ == "AWS::CodePipeline::Pipeline":
            return starts_for_anybody(properties.get("Triggers"))
    return ""


def _is_preflight_method(type_: str, properties: Mapping[str, Any]) -> bool:
    kind = at(properties, ("Integration", "Type"))
    return type_ == "AWS::ApiGateway::Method" and is_preflight(properties.get("HttpMethod"), kind)


#: https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html
_BLOCKS = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
_BLOCK = "PublicAccessBlockConfiguration"


def public_access_blocks_off(type_: str, properties: Any) -> tuple[str, ...]:
    """The settings of S3 Block Public Access that are off for a bucket or access point. Without the property all are
    on, the default of new ones. With it, a setting that is missing or unresolved counts as off.
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/create-bucket-faq.html"""
    if (
        _BLOCK not in ACCESS_PROPERTIES.get(type_, {})
        or not isinstance(properties, Mapping)
        or _BLOCK not in properties
    ):
        return ()
    written = properties[_BLOCK]
    settings = written if isinstance(written, Mapping) else {}
    return tuple(name for name in _BLOCKS if str(settings.get(name)).lower() != "true")


def may_give_access(type_: str, properties: Any, account: str = "") -> bool:
    """May a resource give access in a way that only a deployment shows, or that no policy shows?"""
    if any(harmless is not None and name in properties for name, harmless in ACCESS_PROPERTIES.get(type_, {}).items()):
        return True
    if granting_property(type_, properties) or public_access_blocks_off(type_, properties):
        return True
    way = access_kind(type_)
    if way is None and holds_policy(without_limiting_property(type_, properties)):
        return True
    return way is AccessKind.DIRECT or bool(external_principal_in_properties(type_, properties, account))


def external_principal_in_properties(type_: str, properties: Any, account: str) -> str:
    """The first principal or account outside `account` in the properties of a resource, as `Path: value`; empty where
    there is none. Policies are ignored, and so are types whose kind is DIRECT (a finding by itself) or NONE, types of
    IAM, and types that consist of a policy."""
    if (
        access_kind(type_) in (AccessKind.DIRECT, AccessKind.NONE)
        or type_.startswith("AWS::IAM::")
        or type_ in ATTACHMENTS
        or type_ in _POLICIES
    ):
        return ""
    own = _own_policy(type_)
    read = {k: v for k, v in properties.items() if k != own} if isinstance(properties, Mapping) else properties
    return named_principal(without_limiting_property(type_, read), account)


def _own_policy(type_: str) -> str:
    """The property with a resource's own policy, which is compared with the contract; empty where there is none."""
    carrier = CARRIERS.get(type_)
    if carrier is not None:
        return str(next(iter(carrier.policy_path), ""))
    return {"AWS::ECR::Repository": "RepositoryPolicyText", "AWS::KMS::Key": "KeyPolicy"}.get(type_, "")


#: Types in `ACCESS_KINDS` that consist of a policy.
_POLICIES = frozenset(
    f"AWS::{name}"
    for name in """
    S3::BucketPolicy SNS::TopicInlinePolicy SNS::TopicPolicy SQS::QueueInlinePolicy SQS::QueuePolicy
    SecretsManager::ResourcePolicy
    """.split()
)


def contains_policy_or_principal(item: Any) -> bool:
    """Does a value contain a policy document, or a Principal element outside one?"""
    if isinstance(item, Mapping):
        return not {"Statement", "Principal", "Principals"}.isdisjoint(item) or any(
            map(contains_policy_or_principal, item.values())
        )
    return isinstance(item, list) and any(map(contains_policy_or_principal, item))
