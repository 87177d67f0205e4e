"""Snapshots: the IAM entities and resource policies of one account, as plain data that a real account can also export.

The shape is that of GetAccountAuthorizationDetails, with the maximum session duration of roles and, under
ResourcePolicies, the resource policies: `{"Arn": ..., "Type": "AWS::S3::Bucket", "Account": ..., "Policy": document}`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

Document = Any


@dataclass(frozen=True)
class AccountSnapshot:
    """The IAM entities, managed policies and resource policies of one account."""

    account: str
    users: tuple[Mapping[str, Any], ...] = ()
    groups: tuple[Mapping[str, Any], ...] = ()
    roles: tuple[Mapping[str, Any], ...] = ()
    policies: tuple[Mapping[str, Any], ...] = ()
    resource_policies: tuple[Mapping[str, Any], ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """The snapshot under the names of GetAccountAuthorizationDetails."""
        return {
            "Account": self.account,
            "UserDetailList": list(self.users),
            "GroupDetailList": list(self.groups),
            "RoleDetailList": list(self.roles),
            "Policies": list(self.policies),
            "ResourcePolicies": list(self.resource_policies),
        }

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> AccountSnapshot:
        """The inverse of `as_dict`."""
        return AccountSnapshot(
            account=data["Account"],
            users=tuple(data["UserDetailList"]),
            groups=tuple(data["GroupDetailList"]),
            roles=tuple(data["RoleDetailList"]),
            policies=tuple(data["Policies"]),
            resource_policies=tuple(data.get("ResourcePolicies", ())),
        )


ClientOf = Callable[[str], Any]


def take(account: str, client: ClientOf, services: tuple[str, ...] = ()) -> AccountSnapshot:
    """Read one account through boto3. `client` creates the client of a service; `services` are those besides IAM whose
    resource policies are read (see `RESOURCE_POLICIES`).

    Raises:
        botocore.exceptions.ClientError: a call failed; there is no partial snapshot.
    """
    iam = client("iam")
    details = _details(iam)
    for role in details["RoleDetailList"]:
        full = iam.get_role(RoleName=role["RoleName"])["Role"]
        role["MaxSessionDuration"] = full.get("MaxSessionDuration", 3600)
        if "PermissionsBoundary" in full:
            role["PermissionsBoundary"] = full["PermissionsBoundary"]
    return AccountSnapshot(
        account=account,
        users=tuple(_plain(user) for user in details["UserDetailList"]),
        groups=tuple(_plain(group) for group in details["GroupDetailList"]),
        roles=tuple(_plain(role) for role in details["RoleDetailList"]),
        policies=tuple(_plain(policy) for policy in _policies(iam, details)),
        resource_policies=tuple(
            {"Arn": arn, "Type": type_, "Account": account, "Policy": _plain(document)}
            for service in services
            for arn, type_, document in RESOURCE_POLICIES[service](client(service))
        ),
    )


def _details(iam: Any) -> dict[str, list[dict[str, Any]]]:
    out: dict[str, list[dict[str, Any]]] = {
        "UserDetailList": [],
        "GroupDetailList": [],
        "RoleDetailList": [],
        "Policies": [],
    }
    asked = ["User", "Group", "Role", "LocalManagedPolicy"]
    for page in iam.get_paginator("get_account_authorization_details").paginate(Filter=asked):
        for name, entries in out.items():
            entries += page.get(name) or []
    return out


def _policies(iam: Any, details: Mapping[str, list[dict[str, Any]]]) -> Iterator[dict[str, Any]]:
    """The customer managed policies, and the AWS managed policies that are attached or a boundary, each with its
    default version only."""
    own = {policy["Arn"]: policy for policy in details["Policies"]}
    arns = set(own)
    for name in ("UserDetailList", "GroupDetailList", "RoleDetailList"):
        for entity in details[name]:
            arns |= {attached["PolicyArn"] for attached in entity.get("AttachedManagedPolicies") or ()}
            if boundary := entity.get("PermissionsBoundary"):
                arns.add(boundary["PermissionsBoundaryArn"])
    for arn in sorted(arns):
        policy = own.get(arn) or _policy_of_aws(iam, arn)
        if policy is None:
            continue  # a boundary that does not exist: `Policies` raises SnapshotIncomplete where it is needed
        in_force = next(v for v in policy["PolicyVersionList"] if v["VersionId"] == policy["DefaultVersionId"])
        yield {
            # moto omits PolicyName in the details.
            "PolicyName": arn.rpartition("/")[2],
            "Arn": arn,
            "Path": policy.get("Path", "/"),
            "DefaultVersionId": policy["DefaultVersionId"],
            "PolicyVersionList": [
                {"VersionId": in_force["VersionId"], "IsDefaultVersion": True, "Document": in_force["Document"]}
            ],
        }


def _policy_of_aws(iam: Any, arn: str) -> dict[str, Any] | None:
    try:
        policy: dict[str, Any] = iam.get_policy(PolicyArn=arn)["Policy"]
    except iam.exceptions.NoSuchEntityException:
        return None
    version = iam.get_policy_version(PolicyArn=arn, VersionId=policy["DefaultVersionId"])["PolicyVersion"]
    return {**policy, "PolicyVersionList": [version]}


def _plain(value: Any) -> Any:
    """A response as JSON-serialisable data, with policy documents decoded."""
    if isinstance(value, str) and value.lstrip().startswith("{"):
        try:
            return json.loads(value)
        except ValueError:
            return value  # no document: a dynamic reference of CloudFormation, for example
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value if isinstance(value, str | int | float | bool | type(None)) else str(value)


# --- resource policies ------------------------------------------------------------------------------------------------

Found = Iterator[tuple[str, str, Document]]
_NO_POLICY = frozenset(
    {"NoSuchBucketPolicy", "ResourceNotFoundException", "RepositoryPolicyNotFoundException", "PolicyNotFound"}
)


def _or_none(call: Callable[..., Any], **arguments: Any) -> Any:
    """The response, or None where the resource has no policy."""
    try:
        return call(**arguments)
    except ClientError as error:
        if error.response["Error"]["Code"] in _NO_POLICY:
            return None
        raise


def _pages(client: Any, operation: str, key: str, **arguments: Any) -> Iterator[Any]:
    for page in client.get_paginator(operation).paginate(**arguments):
        yield from page.get(key) or ()


def _s3(s3: Any) -> Found:
    for bucket in _pages(s3, "list_buckets", "Buckets"):
        if found := _or_none(s3.get_bucket_policy, Bucket=bucket["Name"]):
            yield f"arn:{_partition(s3)}:s3:::{bucket['Name']}", "AWS::S3::Bucket", found["Policy"]


def _kms(kms: Any) -> Found:
    for key in _pages(kms, "list_keys", "Keys"):
        policy = kms.get_key_policy(KeyId=key["KeyId"], PolicyName="default")["Policy"]
        yield key["KeyArn"], "AWS::KMS::Key", policy


def _sqs(sqs: Any) -> Found:
    for url in _pages(sqs, "list_queues", "QueueUrls"):
        found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy", "QueueArn"])["Attributes"]
        if found.get("Policy"):
            yield found["QueueArn"], "AWS::SQS::Queue", found["Policy"]


def _sns(sns: Any) -> Found:
    for topic in _pages(sns, "list_topics", "Topics"):
        found = sns.get_topic_attributes(TopicArn=topic["TopicArn"])["Attributes"]
        if found.get("Policy"):
            yield topic["TopicArn"], "AWS::SNS::Topic", found["Policy"]


def _lambda(functions: Any) -> Found:
    for function in _pages(functions, "list_functions", "Functions"):
        if found := _or_none(functions.get_policy, FunctionName=function["FunctionName"]):
            yield function["FunctionArn"], "AWS::Lambda::Function", _with_accounts(json.loads(found["Policy"]))


def _with_accounts(policy: Any) -> Any:
    """A function's policy as Lambda returns it. moto 5.2.5 leaves an account or ARN as the bare Principal; Lambda
    returns `{"AWS": ...}`."""
    for statement in policy["Statement"]:
        if isinstance(statement.get("Principal"), str) and statement["Principal"] != "*":
            statement["Principal"] = {"AWS": statement["Principal"]}
    return policy


def _secretsmanager(secrets: Any) -> Found:
    for secret in _pages(secrets, "list_secrets", "SecretList"):
        found = _or_none(secrets.get_resource_policy, SecretId=secret["ARN"])
        if found and found.get("ResourcePolicy"):
            yield secret["ARN"], "AWS::SecretsManager::Secret", found["ResourcePolicy"]


def _ecr(ecr: Any) -> Found:
    for repository in _pages(ecr, "describe_repositories", "repositories"):
        if found := _or_none(ecr.get_repository_policy, repositoryName=repository["repositoryName"]):
            yield repository["repositoryArn"], "AWS::ECR::Repository", found["policyText"]


def _partition(client: Any) -> str:
    return str(client.meta.partition)


#: How the resource policies of each service are read.
RESOURCE_POLICIES: Mapping[str, Callable[[Any], Found]] = {
    "s3": _s3,
    "kms": _kms,
    "sqs": _sqs,
    "sns": _sns,
    "lambda": _lambda,
    "secretsmanager": _secretsmanager,
    "ecr": _ecr,
}
