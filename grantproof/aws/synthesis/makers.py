"""Synthesises resources by type: physical ID, attributes, and the IAM entities and policies that they create.

Nothing is deployed. What is known only after a deployment raises `NotResolved`.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from grantproof.aws.held.non_policy_access import (
    contains_policy_or_principal,
    granting_property,
    without_limiting_property,
)
from grantproof.aws.synthesis.made_account import MadeAccount, as_document, managed_policy
from grantproof.aws.templates.assumed_values import assumed_id, assumed_ref, given_name, plain_arn
from grantproof.aws.templates.carriers import ATTACHMENTS, CARRIERS, Location, filled
from grantproof.aws.templates.resource_policies import resource_policies
from grantproof.aws.templates.scope import NotResolved, Scope
from grantproof.source import shown


@dataclass(frozen=True)
class Making:
    """A resource to be synthesised, with the context of its stack.

    Attributes:
        path: the alias of the contract's stack, then logical IDs through nested stacks.
        properties: with functions resolved.
        known: the physical ID in a real deployment, if that is to be used; else empty.
        stack: the name of the stack.
    """

    path: tuple[str, ...]
    type: str
    properties: Mapping[str, Any]
    known: str
    stack: str
    template: Path
    account: MadeAccount
    scope: Scope

    @property
    def partition(self) -> str:
        """The partition of the stack."""
        return str(self.scope.pseudo["AWS::Partition"])

    def physical(self, given: Any, most: int = 64) -> str:
        """The physical ID: given by the template, known, or generated with at most `most` characters."""
        return str(given or self.known or f"{self.stack}-{self.path[-1]}"[:most])

    def iam_arn(self, kind: str, path: Any, name: str) -> str:
        """The ARN of an IAM entity."""
        return f"arn:{self.partition}:iam::{self.account.number}:{kind}{path or '/'}{name}"

    def arn(self, service: str, resource: str) -> str:
        """The ARN of a resource in the stack's account and region."""
        return plain_arn(service, resource, self.where)

    @property
    def where(self) -> Location:
        """The location of the resource."""
        return Location(self.partition, str(self.scope.pseudo["AWS::Region"]), self.account.number)

    def naming(self, document: Any) -> Any:
        """A policy document that names principals, checked.

        Raises:
            InvalidPrincipal: a principal does not exist in the partition.
        """
        made = as_document(document)
        for statement in listed(made.get("Statement")):
            named = (
                [statement.get(key) for key in ("Principal", "NotPrincipal")] if isinstance(statement, Mapping) else []
            )
            for arn in [a for who in named if isinstance(who, Mapping) for a in listed(who.get("AWS"))]:
                if str(arn).startswith("arn:") and not str(arn).startswith(f"arn:{self.partition}:"):
                    raise InvalidPrincipal(f"resource {self.path[-1]}: Invalid principal in policy: {arn}")
        return made

    def attach(self, arn: str, type_: str, document: Any) -> None:
        """Attach a policy to the resource with this ARN."""
        entry = {"Arn": arn, "Type": type_, "Account": self.account.number, "Policy": self.naming(document)}
        self.account.resource_policies.append(entry)


class InvalidPrincipal(Exception):
    """A policy names a principal of another partition, so AWS refuses it (rule P33)."""


@dataclass(frozen=True)
class Made:
    """A synthesised resource: the values of `Ref` and `Fn::GetAtt`."""

    physical_id: str
    attributes: Mapping[str, str] = field(default_factory=dict)


Maker = Callable[[Making], Made]


def make(making: Making) -> Made:
    """Synthesise a resource.

    Raises:
        NotResolved: the access that it gives cannot be computed.
        KeyError, TypeError, ValueError, AttributeError, IndexError: its properties are not of the documented shape.
    """
    if making.type in MAKERS:
        return MAKERS[making.type](making)
    if contains_policy_or_principal(without_limiting_property(making.type, making.properties)):
        raise NotResolved(
            f"{shown(making.template)}: {making.path[-1]} is a {making.type} that says who may do something"
        )
    # The type gives nobody access by itself; only its name can be referred to.
    shaped = assumed_id(making.type, making.path)
    name = making.physical((making.known or shaped) if shaped else given_name(making.type, making.properties))
    return Made(assumed_ref(making.type, name, making.where))


def listed(item: Any) -> list[Any]:
    """An optional value, single value or list, as a list."""
    return [] if item is None else list(item) if isinstance(item, list) else [item]


# --- IAM --------------------------------------------------------------------------------------------------------------

_ID = {"role": "AROA", "group": "AGPA", "user": "AIDA"}


def _entity(kind: str) -> Maker:
    """The function that synthesises roles, groups or users."""
    word = kind.capitalize()

    def make(it: Making) -> Made:
        p = it.properties
        physical = it.physical(p.get(f"{word}Name"), 128 if kind == "group" else 64)
        arn = it.iam_arn(kind, p.get("Path"), physical)
        entity: dict[str, Any] = {
            f"{word}Name": physical,
            "Arn": arn,
            "Path": p.get("Path") or "/",
            f"{word}Id": f"{_ID[kind]}{it.path[-1].upper()}",
            f"{word}PolicyList": [
                {"PolicyName": entry["PolicyName"], "PolicyDocument": as_document(entry["PolicyDocument"])}
                for entry in p.get("Policies") or ()
            ],
            "AttachedManagedPolicies": [{"PolicyArn": found} for found in p.get("ManagedPolicyArns") or ()],
        }
        if kind == "role":
            entity["AssumeRolePolicyDocument"] = it.naming(p["AssumeRolePolicyDocument"])
            entity["MaxSessionDuration"] = int(p.get("MaxSessionDuration") or 3600)
        if kind != "group":
            entity["Tags"] = [{"Key": tag["Key"], "Value": str(tag["Value"])} for tag in p.get("Tags") or ()]
        if kind == "user":
            entity["GroupList"] = list(p.get("Groups") or ())
        if p.get("PermissionsBoundary"):
            entity["PermissionsBoundary"] = {"PermissionsBoundaryArn": p["PermissionsBoundary"]}
        it.account.entities[kind][arn] = entity
        return Made(physical, {"Arn": arn})

    return make


def _managed_policy(it: Making) -> Made:
    p = it.properties
    physical = str(p.get("ManagedPolicyName") or it.known.rsplit("/", 1)[-1] or f"{it.stack}-{it.path[-1]}"[:128])
    arn = it.iam_arn("policy", p.get("Path"), physical)
    it.account.entities["policy"][arn] = managed_policy(arn, p.get("Path") or "/", p["PolicyDocument"])
    for kind in ("role", "group", "user"):
        for target in p.get(f"{kind.capitalize()}s") or ():
            it.account.named(kind, target)["AttachedManagedPolicies"].append({"PolicyArn": arn})
    return Made(arn, {"PolicyArn": arn})


def _inline_policy(it: Making) -> Made:
    p = it.properties
    for kind in ("role", "group", "user"):
        word = kind.capitalize()
        for target in [*(p.get(f"{word}s") or ()), *listed(p.get(f"{word}Name"))]:
            entry = {"PolicyName": p["PolicyName"], "PolicyDocument": as_document(p["PolicyDocument"])}
            it.account.named(kind, target)[f"{word}PolicyList"].append(entry)
    return Made(it.physical(None))


def _membership(it: Making) -> Made:
    for user in it.properties["Users"]:
        it.account.named("user", user)["GroupList"].append(it.properties["GroupName"])
    return Made(it.physical(None))


# --- other services ---------------------------------------------------------------------------------------------------


def _parameter(it: Making) -> Made:
    p = it.properties
    return Made(it.physical(p.get("Name")), {"Type": p.get("Type", ""), "Value": p["Value"]})


def _bucket(it: Making) -> Made:
    if given := granting_property(it.type, it.properties):
        raise NotResolved(
            f"{shown(it.template)}: {it.path[-1]} lets others in by {given}, of which a contract cannot speak"
        )
    physical = it.physical(it.properties.get("BucketName"), 63).lower()
    return Made(physical, {"Arn": f"arn:{it.partition}:s3:::{physical}"})


def _bucket_policy(it: Making) -> Made:
    bucket = it.properties["Bucket"]
    it.attach(f"arn:{it.partition}:s3:::{bucket}", "AWS::S3::Bucket", it.properties["PolicyDocument"])
    return Made(bucket)


def _key(it: Making) -> Made:
    # In the form of a real key ID, because parameters can have patterns for it.
    physical = it.known or str(uuid.uuid5(uuid.NAMESPACE_URL, "/".join(it.path)))
    arn = it.arn("kms", f"key/{physical}")
    it.attach(arn, it.type, it.properties["KeyPolicy"])
    return Made(physical, {"Arn": arn, "KeyId": physical})


def _secret(it: Making) -> Made:
    name = it.properties.get("Name") or f"{it.stack}-{it.path[-1]}"
    arn = it.known or it.arn("secretsmanager", f"secret:{name}-AbCdEf")
    return Made(arn, {"Id": arn})


def _secret_policy(it: Making) -> Made:
    secret = it.properties["SecretId"]
    it.attach(secret, "AWS::SecretsManager::Secret", it.properties["ResourcePolicy"])
    return Made(secret)


def _repository(it: Making) -> Made:
    name = it.physical(it.properties.get("RepositoryName"), 256).lower()
    arn = it.arn("ecr", f"repository/{name}")
    if it.properties.get("RepositoryPolicyText"):
        it.attach(arn, it.type, it.properties["RepositoryPolicyText"])
    host = f"{it.account.number}.dkr.ecr.{it.where.region}.{it.scope.pseudo['AWS::URLSuffix']}"
    return Made(name, {"Arn": arn, "RepositoryUri": f"{host}/{name}"})


def _carrier(it: Making) -> Made:
    """A resource of the tables in `carriers`. Its policy is read when all resources are synthesised."""
    where = it.where
    carrier = CARRIERS.get(it.type)
    if carrier is None:
        made = Made(it.physical(None))
    else:
        known = carrier.id_of(it.known) if it.known else f"{it.stack}-{it.path[-1]}"[:64].lower()
        name = str(it.properties.get(carrier.name_property) or known)
        ref = filled(carrier.arn, it.properties, name, where) if carrier.ref == "arn" else name
        made = Made(ref, {key: filled(text, it.properties, name, where) for key, text in carrier.attributes.items()})
    for one in resource_policies(it.type, it.properties, made.physical_id, where):
        it.naming(one.document)
    return made


def _queue(it: Making) -> Made:
    name = it.physical(it.properties.get("QueueName"), 80)
    url = f"https://sqs.{it.where.region}.{it.scope.pseudo['AWS::URLSuffix']}/{it.account.number}/{name}"
    name = name.rsplit("/", 1)[-1]  # its physical ID in a deployment is its URL
    return Made(it.known or url, {"Arn": it.arn("sqs", name), "QueueName": name, "QueueUrl": it.known or url})


def _queue_policy(it: Making) -> Made:
    for url in listed(it.properties.get("Queues", it.properties.get("Queue"))):
        it.attach(it.arn("sqs", str(url).rsplit("/", 1)[-1]), "AWS::SQS::Queue", it.properties["PolicyDocument"])
    return Made(it.physical(None))


def _topic(it: Making) -> Made:
    name = it.physical(it.properties.get("TopicName"), 256)
    arn = name if name.startswith("arn:") else it.arn("sns", name)
    it.attach(arn, it.type, new_topic_policy(arn))
    return Made(arn, {"TopicArn": arn, "TopicName": arn.rsplit(":", 1)[-1]})


def _topic_policy(it: Making) -> Made:
    for arn in listed(it.properties.get("Topics", it.properties.get("TopicArn"))):
        held = it.account.resource_policies
        held[:] = [entry for entry in held if entry["Arn"] != arn]
        it.attach(arn, "AWS::SNS::Topic", it.properties["PolicyDocument"])
    return Made(it.physical(None))


def new_topic_policy(arn: str) -> dict[str, Any]:
    """The policy that SNS creates on every new topic.
    https://docs.aws.amazon.com/sns/latest/dg/sns-access-policy-use-cases.html
    """
    names = "GetTopicAttributes SetTopicAttributes AddPermission RemovePermission DeleteTopic Subscribe "
    names += "ListSubscriptionsByTopic Publish"
    statement = {
        "Effect": "Allow",
        "Sid": "__default_statement_ID",
        "Principal": {"AWS": "*"},
        "Action": [f"SNS:{name}" for name in names.split()],
        "Resource": arn,
        "Condition": {"StringEquals": {"AWS:SourceOwner": arn.split(":")[4]}},
    }
    return {"Version": "2008-10-17", "Id": "__default_policy_ID", "Statement": [statement]}


MAKERS: Mapping[str, Maker] = {
    **dict.fromkeys((*CARRIERS, *ATTACHMENTS), _carrier),
    "AWS::IAM::Role": _entity("role"),
    "AWS::IAM::Group": _entity("group"),
    "AWS::IAM::User": _entity("user"),
    "AWS::IAM::ManagedPolicy": _managed_policy,
    "AWS::IAM::UserToGroupAddition": _membership,
    **dict.fromkeys(
        ("AWS::IAM::Policy", "AWS::IAM::RolePolicy", "AWS::IAM::GroupPolicy", "AWS::IAM::UserPolicy"), _inline_policy
    ),
    "AWS::SSM::Parameter": _parameter,
    "AWS::S3::Bucket": _bucket,
    "AWS::S3::BucketPolicy": _bucket_policy,
    "AWS::KMS::Key": _key,
    "AWS::ECR::Repository": _repository,
    "AWS::SQS::Queue": _queue,
    "AWS::SQS::QueuePolicy": _queue_policy,
    "AWS::SQS::QueueInlinePolicy": _queue_policy,
    "AWS::SNS::Topic": _topic,
    "AWS::SNS::TopicPolicy": _topic_policy,
    "AWS::SNS::TopicInlinePolicy": _topic_policy,
    "AWS::SecretsManager::Secret": _secret,
    "AWS::SecretsManager::ResourcePolicy": _secret_policy,
}
