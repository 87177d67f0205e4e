"""Which resources give somebody access, and how: one table for all who ask.

Most access is in policies, which are held against the contract. What is here is what else there is: types that let
somebody in, or make what does, without a policy that is read; and properties that do. A type that is not AWS's own may
do anything. The template reference of each type says what it does:
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-template-resource-type-ref.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from enum import Enum
from typing import Any

from grantproof.aws.templates.carriers import ATTACHMENTS, CARRIERS
from grantproof.aws.templates.external_principals import holds_policy, is_function, named_principal
from grantproof.source import at


class AccessKind(Enum):
    """How resources of a type give access."""

    POLICY = "by policies, which are held against the contract"
    DIRECT = "by being there: no policy that is read says whom it lets in"
    NONE = "in no way, whatever text is in it"


#: Beginnings of types; the longest one that fits counts.
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
        # A nested stack's own resources are looked at; a bucket's properties are below.
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
            "AWS::ApiGatewayV2::Api",  # routes that ask for nobody's identity, and such as its Body writes
            "AWS::ApiGatewayV2::Route",
            "AWS::AppRunner::Service",  # whoever has its address
            "AWS::AppSync::",  # keys, and providers of identities
            "AWS::Chatbot::",  # whoever is in the channel, as a role
            "AWS::CleanRooms",  # members are other accounts
            "AWS::CloudFormation::CustomResource",  # the code of its function
            "AWS::CloudFormation::Macro",
            "AWS::CloudFormation::StackSet",  # other accounts, other templates
            "AWS::CloudFormation::TypeActivation",  # somebody else's code, with a role
            "AWS::Cognito::IdentityPool",  # guests, and whoever signs in
            "AWS::Config::AggregationAuthorization",
            "AWS::DataZone::",  # members of projects, as their roles
            "AWS::Detective::OrganizationAdmin",
            "AWS::EC2::NetworkInterfacePermission",
            "AWS::EC2::VPCEndpointService",
            "AWS::EC2::VerifiedAccess",  # whom a provider of identities knows
            "AWS::ECR::PublicRepository",  # everybody pulls from it
            "AWS::EKS::AccessEntry",
            "AWS::EKS::IdentityProviderConfig",
            "AWS::EKS::PodIdentityAssociation",
            "AWS::EMR::StudioSessionMapping",
            "AWS::Glue::DevEndpoint",  # whoever has the key, as a role
            "AWS::Grafana::Workspace",  # whoever signs in, as a role
            "AWS::IAM::",  # keys, instance profiles, providers of identities
            "AWS::IdentityStore::GroupMembership",
            "AWS::ImageBuilder::DistributionConfiguration",  # LaunchPermissionConfiguration
            "AWS::IoT::RoleAlias",  # whoever has a certificate, as a role
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
            "AWS::Serverless::",  # what no transform has made resources of
            "AWS::ServiceCatalog::CloudFormationProvisionedProduct",  # another template
            "AWS::ServiceCatalog::LaunchRoleConstraint",  # whoever launches the product, as a role
            "AWS::ServiceCatalog::PortfolioPrincipalAssociation",
            "AWS::ServiceCatalog::PortfolioShare",
            "AWS::ServiceCatalog::StackSetConstraint",  # other accounts
            "AWS::Shield::DRTAccess",
            "AWS::Transfer::Agreement",  # a partner, as a role
            "AWS::Transfer::User",  # whoever has the key, as a role
            "AWS::Transfer::WebApp",
        ),
        AccessKind.DIRECT,
    ),
}

#: Properties that decide about access, by type; of those that let others in by themselves, the values that do not.
#: https://docs.aws.amazon.com/AmazonS3/latest/userguide/acl-overview.html#canned-acl and
#: https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html and
#: https://docs.aws.amazon.com/apigateway/latest/developerguide/permissions.html and
#: https://docs.aws.amazon.com/codebuild/latest/userguide/public-builds.html and
#: https://docs.aws.amazon.com/transfer/latest/userguide/custom-identity-provider-users.html
ACCESS_PROPERTIES: Mapping[str, Mapping[str, frozenset[str] | None]] = {
    "AWS::ApiGateway::Method": {"AuthorizationType": frozenset({"AWS_IAM"})},
    "AWS::CodeBuild::Project": {"Triggers": None, "Visibility": frozenset({"PRIVATE"})},
    "AWS::EC2::KeyPair": {"PublicKeyMaterial": frozenset()},  # whoever has the other half, as what an instance is
    "AWS::IAM::User": {"LoginProfile": None},
    "AWS::Lambda::Url": {"AuthType": frozenset({"AWS_IAM"}), "Cors": None},
    "AWS::Logs::AccountPolicy": {
        # Subscriptions of every log group, to wherever the policy's text says.
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
#: Those of them without which AWS refuses a resource: where one is left out all the same, nobody is asked for.
_NEEDED = frozenset({"AuthType", "AuthorizationType"})
#: Properties that hold what looks like a policy, and lets nobody in: it takes away from what others give, or is about
#: something else. https://docs.aws.amazon.com/vpc/latest/privatelink/vpc-endpoints-access.html and
#: https://docs.aws.amazon.com/waf/latest/developerguide/waf-rule-statements.html
LIMITING_PROPERTIES: Mapping[str, str] = {
    "AWS::EC2::VPCEndpoint": "PolicyDocument",
    "AWS::Logs::LogGroup": "DataProtectionPolicy",
    "AWS::SNS::Topic": "DataProtectionPolicy",
    "AWS::WAFv2::RuleGroup": "Rules",
    "AWS::WAFv2::WebACL": "Rules",
}


def without_limiting_property(type_: str, properties: Any) -> Any:
    """Properties without those that let nobody in."""
    if isinstance(properties, Mapping) and LIMITING_PROPERTIES.get(type_) in properties:
        return {key: value for key, value in properties.items() if key != LIMITING_PROPERTIES[type_]}
    return properties


def access_kind(type_: str) -> AccessKind | None:
    """How resources of a type give access; None where only their properties can say."""
    if not type_.startswith(("AWS::", "Alexa::")):
        return AccessKind.DIRECT
    if type_ in ACCESS_KINDS:
        return ACCESS_KINDS[type_]
    beginnings = [
        begins for begins, way in ACCESS_KINDS.items() if way is AccessKind.DIRECT and type_.startswith(begins)
    ]
    return ACCESS_KINDS[max(beginnings, key=len)] if beginnings else None


def granting_property(type_: str, properties: Any) -> str:
    """The property by which a resource lets others in, as `Name: value`; empty where none does. A value that is not
    resolved counts as one that does."""
    if isinstance(properties, Mapping):
        for name, harmless in ACCESS_PROPERTIES.get(type_, {}).items():
            value = properties.get(name, "NONE" if name in _NEEDED else None)
            if harmless is not None and value is not None and str(value) not in harmless:
                return f"{name}: {value}"
        if type_ == "AWS::CodeBuild::Project":
            return _builds_for_anybody(properties.get("Triggers"))
    return ""


def _builds_for_anybody(triggers: Any) -> str:
    """How whoever asks for a change of the code has it built, as the project's role; empty where somebody has to
    approve, or only pushes are built. What holds where a webhook says nothing of it is not documented.
    https://docs.aws.amazon.com/codebuild/latest/userguide/pull-request-build-policy.html"""
    if not isinstance(triggers, Mapping) or is_function(triggers):
        return f"Triggers: {triggers}" if triggers else ""
    approval = at(triggers, ("PullRequestBuildPolicy", "RequiresCommentApproval"))
    groups = json.dumps(triggers.get("FilterGroups") or "", default=str)
    only_pushes = groups != '""' and not re.search(r"PULL_REQUEST|Fn::|Ref", groups)
    if str(approval) in _APPROVED or only_pushes or (approval is None and not _is_on(triggers.get("Webhook"))):
        return ""
    return f"Triggers.PullRequestBuildPolicy.RequiresCommentApproval: {approval}"


_APPROVED = frozenset({"ALL_PULL_REQUESTS", "FORK_PULL_REQUESTS"})


def _is_on(value: Any) -> bool:
    """Is a setting on, or not known to be off?"""
    return value is not None and str(value).lower() != "false"


#: https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html
_BLOCKS = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
_BLOCK = "PublicAccessBlockConfiguration"


def public_access_blocks_off(type_: str, properties: Any) -> tuple[str, ...]:
    """What of S3's block on public access a bucket or access point turns off. One that says nothing has all of it: that
    is the default of what is new. What says something has what it says, and a setting that is left out, or that is not
    resolved, is off.
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


_IAM_SCHEME = "awsSigv4"


def operation_without_iam(body: Any) -> str:
    """An operation of an API's definition that does not ask for IAM, as `GET /path`; empty where each does. Preflight
    requests (OPTIONS) are nobody's.
    https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-swagger-extensions-authtype.html"""
    if not isinstance(body, Mapping):
        return ""
    schemes = {
        **(body.get("securityDefinitions") or {}),
        **((body.get("components") or {}).get("securitySchemes") or {}),
    }
    by_iam = {name for name, scheme in schemes.items() if scheme.get("x-amazon-apigateway-authtype") == _IAM_SCHEME}
    for path, operations in (body.get("paths") or {}).items():
        for verb, operation in operations.items() if isinstance(operations, Mapping) else ():
            if verb.lower() not in _VERBS or not isinstance(operation, Mapping):
                continue
            asked = operation.get("security", body.get("security")) or ()
            auth = str((operation.get("x-amazon-apigateway-auth") or {}).get("type", "")).upper()
            if auth != "AWS_IAM" and not (asked and all(set(one) & by_iam for one in asked)):
                return f"{verb.upper()} {path}"
    return ""


_VERBS = frozenset({"get", "put", "post", "delete", "patch", "head", "x-amazon-apigateway-any-method"})


def may_give_access(type_: str, properties: Any, account: str = "") -> bool:
    """May a resource of an account let somebody in, in a way that is seen only once it is deployed, or not at all?"""
    if any(harmless is not None and name in properties for name, harmless in ACCESS_PROPERTIES.get(type_, {}).items()):
        return True
    if granting_property(type_, properties) or public_access_blocks_off(type_, properties):
        return True
    way = access_kind(type_)
    if way is None and holds_policy(without_limiting_property(type_, properties)):
        return True
    return way is AccessKind.DIRECT or bool(external_principal_in_properties(type_, properties, account))


def external_principal_in_properties(type_: str, properties: Any, account: str) -> str:
    """Whom a resource names besides its own account, as `Path: value`; empty where it names nobody, and of types that
    are findings by themselves, give no access whatever is in them, or are nothing but policies and what holds them.
    Policies are not looked at."""
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
    """The property with a resource's own policy, which is held against the contract; empty where there is none."""
    carrier = CARRIERS.get(type_)
    if carrier is not None:
        return str(next(iter(carrier.own), ""))
    return {"AWS::ECR::Repository": "RepositoryPolicyText", "AWS::KMS::Key": "KeyPolicy"}.get(type_, "")


#: Types of the first table that are nothing but a policy.
_POLICIES = frozenset(
    f"AWS::{name}"
    for name in """
    S3::BucketPolicy SNS::TopicInlinePolicy SNS::TopicPolicy SQS::QueueInlinePolicy SQS::QueuePolicy
    SecretsManager::ResourcePolicy
    """.split()
)


def contains_policy_or_principal(item: Any) -> bool:
    """Is there a policy document in a value, or a principal by itself?"""
    if isinstance(item, Mapping):
        return not {"Statement", "Principal", "Principals"}.isdisjoint(item) or any(
            map(contains_policy_or_principal, item.values())
        )
    return isinstance(item, list) and any(map(contains_policy_or_principal, item))
