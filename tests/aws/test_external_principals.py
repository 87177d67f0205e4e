"""Principals named by resources of any type, checked against the whole template reference as cfn-lint has it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import pytest
from cfnlint.schema import PROVIDER_SCHEMA_MANAGER

from grantproof.aws.held.non_policy_access import access_kind, external_principal_in_properties, may_give_access
from grantproof.aws.templates.external_principals import holds_policy, named_principal

OWN, OTHER = "111111111111", "222222222222"
UNRESOLVED = {"Ref": "Somebody"}
Path = tuple[str, ...]


@cache
def reference() -> tuple[tuple[str, Path, Mapping[str, Any]], ...]:
    """Every property of every type that is recognised only by its name, with its schema; `*` is an entry of a list."""
    types = [t for t in PROVIDER_SCHEMA_MANAGER.get_resource_types("us-east-1") if t.startswith("AWS::")]
    assert len(types) > 1500
    found = []
    for type_ in types:
        if access_kind(type_) is None:
            schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", type_).schema
            found += [(type_, path, of) for path, of in _walk(schema, schema, (), frozenset())]
    return tuple(found)


def _walk(schema: Any, node: Any, path: Path, seen: frozenset[str]) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    if len(path) > 9:
        return  # dashboards of QuickSight and the like
    if "$ref" in node:
        if node["$ref"] in seen:
            return
        seen |= {node["$ref"]}
        yield from _walk(schema, _defined(schema, node), path, seen)
    for name, of in (node.get("properties") or {}).items():
        yield (*path, name), _defined(schema, of)
        yield from _walk(schema, of, (*path, name), seen)
    for of in (node.get("patternProperties") or {}).values():
        yield from _walk(schema, of, (*path, "any"), seen)
    if isinstance(node.get("items"), dict):
        yield from _walk(schema, node["items"], (*path, "*"), seen)
    for of in [one for kind in ("anyOf", "oneOf", "allOf") for one in node.get(kind) or ()]:
        yield from _walk(schema, of, path, seen)


def _defined(schema: Any, node: Any) -> Any:
    for name in node["$ref"].removeprefix("#/").split("/") if "$ref" in node else ():
        schema = schema.get(name, {})
    return schema if "$ref" in node else node


def _at(path: Path, value: Any) -> Any:
    for name in reversed(path):
        value = [value] if name == "*" else {name: value}
    return value


#: Of what speaks of principals or accounts, the last names that let nobody in, and why.
NOBODY = {
    # how somebody is found out to be somebody, or what a service is called elsewhere
    *("KerberosPrincipal", "PrincipalIdClaim", "PrincipalEntityType", "ThingPrincipalType", "MatchPrincipals"),
    *("PrincipalRole", "CrossRealmTrustPrincipalPassword", "ResourceAwsIamAccessKeyPrincipalName", "ServiceAccount"),
    # what a caller is held to, or who is left out
    *("SourceAccount", "ExcludedAccounts", "ExcludeUserAccounts", "EmailSendingAccount"),
}
#: Types that read metrics of other accounts, or mean customers' accounts.
READERS = {
    "AWS::ApplicationSignals::ServiceLevelObjective",
    "AWS::CloudWatch::Alarm",
    "AWS::CloudWatch::AnomalyDetector",
    "AWS::CustomerProfiles::SegmentDefinition",
}


def test_every_property_in_the_template_reference_for_principals_or_accounts_is_recognised() -> None:
    speaks = re.compile(
        r".*(Principal|Grantee).*|.*(Account|AccountI[dD]|AccountNumber|AccountIdentifier|OwnerI[dD])s?"
    )
    asked = 0
    for type_, path, _ in reference():
        last = next(name for name in reversed(path) if name not in ("*", "any"))
        if speaks.fullmatch(last) and last not in NOBODY and type_ not in READERS:
            asked += 1
            assert named_principal(_at(path, UNRESOLVED), OWN), f"{type_}: {'.'.join(path)}"
    assert asked > 150


def test_every_property_in_the_template_reference_for_a_policy_is_recognised() -> None:
    """These can be an object of any form. A policy written in one is found whatever its name; the name matters only for
    an unresolved value."""
    about_how = {"LifecyclePolicy", "FilterPolicy", "DeliveryPolicy", "RedrivePolicy", "ReplayPolicy", "CorsPolicy"}
    about_how |= {"DataProtectionPolicy", "BackupRetentionPolicy"}
    asked = 0
    for type_, path, schema in reference():
        free = not schema.get("properties") and "object" in str(schema.get("type"))
        if free and re.search(r"Polic(y|ies)(Document|Text)?$", path[-1]) and path[-1] not in about_how:
            asked += 1
            assert named_principal(_at(path, UNRESOLVED), OWN), f"{type_}: {'.'.join(path)}"
            assert holds_policy(_at(path, json.dumps({"Statement": []}))), type_
    assert asked > 15


@pytest.mark.parametrize(
    ("properties", "said"),
    [
        ({"PeerOwnerId": OTHER}, f"PeerOwnerId: {OTHER}"),
        ({"PeerOwnerId": int(OTHER)}, f"PeerOwnerId: {OTHER}"),
        ({"PeerOwnerId": OWN}, ""),
        ({"PeerOwnerId": {"Ref": "AWS::AccountId"}}, ""),
        ({"PeerOwnerId": {"Ref": "AWS::NoValue"}}, ""),
        ({"PeerOwnerId": UNRESOLVED}, f"PeerOwnerId: {UNRESOLVED}"),
        ({"Accounts": ["*"]}, "Accounts.0: *"),
        ({"ReferenceStores": {"PeerOwnerId": OTHER}}, f"ReferenceStores.PeerOwnerId: {OTHER}"),
        ({"Rules": [{"Accounts": [OWN, OTHER]}]}, f"Rules.0.Accounts.1: {OTHER}"),
        ({"Shares": [f"arn:aws:iam::{OTHER}:root"]}, f"Shares.0: arn:aws:iam::{OTHER}:root"),
        ({"Shares": ["arn:aws:organizations::111111111111:organization/o-1"]}, ""),
        ({"Shares": [f"arn:aws:organizations::{OTHER}:ou/o-1/ou-1"]}, f"Shares.0: arn:aws:organizations::{OTHER}:ou"),
        ({"Principal": f"arn:aws:iam::{OWN}:user/u"}, f"Principal: arn:aws:iam::{OWN}:user/u"),
        ({"Permissions": [{"Principal": {"Ref": "U"}}]}, "Permissions.0.Principal"),
        # Where it goes as somebody, and what is its user's own word.
        ({"TargetRoleArn": f"arn:aws:iam::{OTHER}:role/r"}, ""),
        ({"Integration": {"Credentials": f"arn:aws:iam::{OTHER}:role/r"}}, ""),
        ({"Tags": [{"Key": "owner", "Value": OTHER}], "Environment": {"Variables": {"ACCOUNT": OTHER}}}, ""),
        ({"Policy": {"Statement": [{"Principal": "*"}]}}, ""),
        ({"Policy": UNRESOLVED}, "Policy"),
        ({"Description": OTHER}, ""),
        # CloudFormation looks it up as it deploys.
        ({"PolicyDocument": "{{resolve:ssm:/policy}}"}, "PolicyDocument: {{"),
        ({"PeerOwnerId": "{{resolve:ssm:/peer}}"}, "PeerOwnerId: {{"),
        ({"MasterUserPassword": "{{resolve:secretsmanager:database}}"}, ""),
    ],
    ids=str,
)
def test_a_named_principal_or_account_is_found(properties: Any, said: str) -> None:
    found = named_principal(properties, OWN)
    assert found.startswith(said)
    assert bool(found) == bool(said)


def test_a_policy_without_statements_is_recognised() -> None:
    """The policy of OpenSearch Serverless has rules with principals instead of statements."""
    rules = json.dumps([{"Rules": [], "Principal": [f"arn:aws:iam::{OTHER}:root"]}])
    assert may_give_access("AWS::OpenSearchServerless::AccessPolicy", {"Policy": rules}, OWN)


@pytest.mark.parametrize("name", ["Statement", r"\u0053tatement", r"\u0053\u0074atement"])
def test_a_policy_in_text_with_escapes_is_recognised(name: str) -> None:
    text = '{"Version": "2012-10-17", "' + name + '": []}'
    assert json.loads(text) == {"Version": "2012-10-17", "Statement": []}
    assert holds_policy({"A": text})
    assert holds_policy({"A": json.dumps({"B": text})})


def test_policies_of_types_in_a_table_are_judged_by_the_table_alone() -> None:
    assert not external_principal_in_properties("AWS::Lambda::Permission", {"Principal": OTHER}, OWN)
    assert not external_principal_in_properties("AWS::ECR::Repository", {"RepositoryPolicyText": UNRESOLVED}, OWN)
    assert not external_principal_in_properties("AWS::EC2::VPCEndpoint", {"PolicyDocument": UNRESOLVED}, OWN)
    assert external_principal_in_properties("AWS::EC2::VPCPeeringConnection", {"PeerOwnerId": OTHER}, OWN)


def test_free_text_names_no_principal() -> None:
    """Account IDs are often stored in parameters."""
    assert not external_principal_in_properties("AWS::SSM::Parameter", {"Value": OTHER}, OWN)


def test_a_name_of_twelve_digits_is_no_account() -> None:
    assert not external_principal_in_properties("AWS::S3::AccessPoint", {"Name": OTHER}, OWN)
    assert external_principal_in_properties("AWS::DMS::Endpoint", {"AccountName": OTHER}, OWN)


DOCUMENT = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": OTHER}, "Action": "*"}]}
ROOT = f"arn:aws:iam::{OTHER}:root"


@pytest.mark.parametrize(
    ("type_", "properties"),
    [
        ("AWS::ACMPCA::Permission", {"Principal": "acm.amazonaws.com"}),
        ("AWS::Bedrock::KnowledgeBasePolicy", {"PolicyDocument": DOCUMENT}),
        ("AWS::CleanRooms::Collaboration", {"Members": [{"AccountId": OTHER}]}),
        ("AWS::CleanRoomsML::TrainingDataset", {}),
        ("AWS::Cognito::IdentityPool", {"AllowUnauthenticatedIdentities": True}),
        (
            "AWS::DLM::LifecyclePolicy",
            {"PolicyDetails": {"Schedules": [{"ShareRules": [{"TargetAccounts": [OTHER]}]}]}},
        ),
        ("AWS::DataZone::ProjectMembership", {}),
        ("AWS::EC2::TransitGatewayPeeringAttachment", {"PeerAccountId": OTHER}),
        ("AWS::EC2::VPCEndpointServicePermissions", {"AllowedPrincipals": ["*"]}),
        ("AWS::EC2::VPCPeeringConnection", {"PeerOwnerId": OTHER}),
        ("AWS::EKS::AccessEntry", {"PrincipalArn": ROOT}),
        ("AWS::FMS::Policy", {"IncludeMap": {"ACCOUNT": [OTHER]}}),
        ("AWS::GlobalAccelerator::CrossAccountAttachment", {"Principals": [OTHER]}),
        ("AWS::GuardDuty::Member", {"MemberId": OTHER}),
        ("AWS::ImageBuilder::DistributionConfiguration", {"Distributions": []}),
        ("AWS::IoT::Policy", {"PolicyDocument": json.dumps(DOCUMENT)}),
        ("AWS::IoT::RoleAlias", {}),
        ("AWS::LakeFormation::PrincipalPermissions", {}),
        ("AWS::Lambda::LayerVersionPermission", {"Principal": "*"}),
        ("AWS::Lambda::Url", {"AuthType": "NONE"}),
        ("AWS::LicenseManager::Grant", {"Principals": [ROOT]}),
        ("AWS::Logs::LogGroup", {"ResourcePolicyDocument": DOCUMENT}),
        ("AWS::MediaConnect::FlowEntitlement", {"Subscribers": [OTHER]}),
        ("AWS::MediaStore::Container", {"Policy": json.dumps(DOCUMENT)}),
        ("AWS::OpenSearchServerless::AccessPolicy", {"Policy": json.dumps([{"Principal": [ROOT]}])}),
        ("AWS::Organizations::ResourcePolicy", {"Content": DOCUMENT}),
        (
            "AWS::QuickSight::Dashboard",
            {"Permissions": [{"Principal": f"arn:aws:quicksight:eu-west-1:{OTHER}:user/x"}]},
        ),
        ("AWS::RAM::ResourceShare", {"Principals": [OTHER]}),
        ("AWS::Redshift::Cluster", {"NamespaceResourcePolicy": DOCUMENT}),
        ("AWS::Redshift::EndpointAuthorization", {"Account": OTHER}),
        ("AWS::RolesAnywhere::Profile", {}),
        ("AWS::S3::MultiRegionAccessPointPolicy", {"Policy": DOCUMENT}),
        ("AWS::SSO::Assignment", {"TargetId": OTHER}),
        ("AWS::SecurityLake::Subscriber", {"SubscriberIdentity": {"ExternalId": "x", "Principal": OTHER}}),
        ("AWS::Signer::ProfilePermission", {"Principal": OTHER}),
        ("AWS::VpcLattice::AuthPolicy", {"Policy": DOCUMENT}),
        ("AWS::VpcLattice::ResourcePolicy", {"Policy": DOCUMENT}),
    ],
    ids=str,
)
def test_a_resource_that_can_give_access_is_recognised(type_: str, properties: Any) -> None:
    """Types that the mocked world does not create, in a template under an option or in a real account."""
    assert may_give_access(type_, properties, OWN)
