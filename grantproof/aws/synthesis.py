"""A grant's stacks as they would be, worked out from the templates without deploying anything.

Thousands of combinations of parameters can be looked at in this way. That it says what a deployment makes is not taken
on trust: the suites deploy a grant's variants and compare (`tests/grants/test_variants.py`). A resource or a function
of which it cannot say what access it gives is `NotResolved`.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from moto.iam.aws_managed_policies import aws_managed_policies_data

from grantproof.aws import parameters
from grantproof.aws.deploy import DeployedStack, Deployment, Resource, nested_file
from grantproof.aws.intrinsics import NotResolved, Scope, condition, value
from grantproof.aws.placed import placed_once
from grantproof.aws.snapshot import AccountSnapshot
from grantproof.aws.unspoken import given_without_policy
from grantproof.contract import Contract, Stack, facts_of, resolve
from grantproof.source import read, shown

#: Logical ids through nested stacks, the alias of the contract's stack first.
Path_ = tuple[str, ...]


@dataclass(frozen=True)
class Synthesis:
    """What the stacks would hold.

    Attributes:
        deployment: as `deploy` gives it.
        snapshots: what the accounts would hold, by number; users, roles and so on of the stacks only.
        conditions: the truth of every template's conditions, by the path of its stack.
    """

    deployment: Deployment
    snapshots: Mapping[str, AccountSnapshot]
    conditions: Mapping[Path_, Mapping[str, bool]]
    scopes: Mapping[Path_, Scope]
    """What the names of each template stood for."""
    untold: Mapping[Path_, Any]
    """What may give access in a way that is not worked out here: type and properties, by the path of the resource."""


class Refused(Exception):
    """CloudFormation would refuse a stack under these parameters: which, and its words."""

    def __init__(self, stack: Path_, message: str) -> None:
        super().__init__(f"stack {'/'.join(stack)}: {message}")
        self.stack, self.message = stack, message


def synthesise(contract: Contract, region: str = "", physical: Mapping[Path_, str] | None = None) -> Synthesis:
    """Work a contract's stacks out.

    Args:
        region: instead of the contract's, to see another partition's branch.
        physical: physical ids of resources, by path, where the generated ones of a real deployment are to be used.

    Raises:
        Refused: CloudFormation would refuse a stack.
        NotResolved: it cannot be said what a stack makes.
    """
    region = region or contract.region
    partition, _ = parameters.partition_of(region)
    contract = replace(contract, region=region, partition=partition)
    facts = facts_of(contract)
    maker = _Maker(contract, region, physical or {})
    stacks: list[DeployedStack] = []
    for stack in contract.stacks:
        given = resolve(stack.parameters, facts)
        account = contract.accounts[stack.account]
        made = maker.stack((stack.alias,), account, stack.name, stack.template, given)
        outputs = made.outputs()
        resources = tuple(replace(r, path=r.path[1:], account=stack.account) for r in made.resources())
        stacks.append(_deployed(stack, given, outputs, resources))
        facts = facts.with_values({f"stacks.{stack.alias}.outputs.{name}": text for name, text in outputs.items()})
    snapshots = {number: maker.accounts[number].snapshot(number) for number in contract.accounts.values()}
    return Synthesis(Deployment(tuple(stacks), facts), snapshots, maker.conditions, maker.scopes, maker.untold)


def _deployed(
    stack: Stack, given: Mapping[str, str], outputs: Mapping[str, str], resources: tuple[Resource, ...]
) -> DeployedStack:
    return DeployedStack(stack.alias, stack.account, stack.name, stack.template, given, outputs, resources)


@dataclass
class _Account:
    """The entities of one account, in the shape of snapshots, by ARN."""

    entities: dict[str, dict[str, dict[str, Any]]] = field(
        default_factory=lambda: {kind: {} for kind in ("user", "group", "role", "policy")}
    )
    resource_policies: list[dict[str, Any]] = field(default_factory=list)

    def named(self, kind: str, name: str) -> dict[str, Any]:
        """An entity of the account by name.

        Raises:
            NotResolved: no stack makes it.
        """
        for entity in self.entities[kind].values():
            if entity[f"{kind.capitalize()}Name"] == name:
                return entity
        raise NotResolved(f"the {kind} {name} is made by no stack")

    def snapshot(self, number: str) -> AccountSnapshot:
        """The account, with those policies of AWS that its entities have attached."""
        for kind in ("user", "group", "role"):
            for entity in self.entities[kind].values():
                for attached in entity["AttachedManagedPolicies"]:
                    self._add_policy_of_aws(attached["PolicyArn"])
                if boundary := entity.get("PermissionsBoundary"):
                    self._add_policy_of_aws(boundary["PermissionsBoundaryArn"])
        users, groups, roles, policies = (tuple(self.entities[k].values()) for k in ("user", "group", "role", "policy"))
        return AccountSnapshot(number, users, groups, roles, policies, tuple(self.resource_policies))

    def _add_policy_of_aws(self, arn: str) -> None:
        if ":iam::aws:policy/" in arn and arn not in self.entities["policy"]:
            known = _policies_of_aws().get(arn.rsplit("/", 1)[1])
            if known is None:
                raise NotResolved(f"{arn} is not among the AWS managed policies that moto ships")
            self.entities["policy"][arn] = _policy(arn, known["Path"], known["Document"])


@cache
def _policies_of_aws() -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads(aws_managed_policies_data)
    return found


def _policy(arn: str, path: str, document: Any) -> dict[str, Any]:
    version = {"VersionId": "v1", "IsDefaultVersion": True, "Document": _document(document)}
    name = arn.rsplit("/", 1)[1]
    return {"PolicyName": name, "Arn": arn, "Path": path, "DefaultVersionId": "v1", "PolicyVersionList": [version]}


class _Maker:
    """What all stacks of a contract share."""

    def __init__(self, contract: Contract, region: str, physical: Mapping[Path_, str]) -> None:
        self.contract, self.region, self.physical = contract, region, physical
        self.accounts = {number: _Account() for number in contract.accounts.values()}
        self.conditions: dict[Path_, dict[str, bool]] = {}
        self.scopes: dict[Path_, Scope] = {}
        self.untold: dict[Path_, Any] = {}

    def stack(self, path: Path_, account: str, name: str, template: Path, given: Mapping[str, str]) -> _Made:
        """Check a stack's parameters, and make its resources.

        Raises:
            Refused, NotResolved: see `synthesise`.
        """
        document = placed_once(read(template))
        pseudo = parameters.pseudo_parameters(account, self.region, name)
        try:
            parameters.check(document, given, pseudo)
        except parameters.RefusedParameters as error:
            raise Refused(path, str(error)) from None
        made = _Made(self, path, account, name, template, parameters.scope_of(document, given, pseudo))
        made.create()
        return made


class _Made:
    """One stack. Resources are made when first referred to, or in the template's order."""

    def __init__(self, maker: _Maker, path: Path_, account: str, name: str, template: Path, scope: Scope) -> None:
        self.maker, self.path, self.account, self.name, self.template = maker, path, account, name, template
        self.document = placed_once(read(template))
        self.scope = replace(scope, reference=self.reference, attribute=self.attribute)
        self.conditions = {c: condition(c, self.scope) for c in self.document.get("Conditions") or {}}
        maker.conditions[path], maker.scopes[path] = self.conditions, self.scope
        self._made: dict[str, _Resource] = {}
        self._making: list[str] = []

    def create(self) -> None:
        for name, entry in self.document["Resources"].items():
            if not isinstance(entry, Mapping):
                raise NotResolved(f"{shown(self.template)}: the resource {name} is no object")
            if self._exists(entry):
                self.resource(name)

    def _exists(self, entry: Mapping[str, Any]) -> bool:
        return "Condition" not in entry or self.conditions.get(entry["Condition"], False)

    def resource(self, name: str) -> _Resource:
        """A resource, made if it is not yet.

        Raises:
            NotResolved: there is none, its condition is false, or resources wait for each other.
        """
        if name in self._made:
            return self._made[name]
        entry = self.document["Resources"].get(name)
        if entry is None or not self._exists(entry):
            raise NotResolved(f"{shown(self.template)} refers to {name}, which is not made")
        if name in self._making:
            raise NotResolved(f"{shown(self.template)}: {' -> '.join((*self._making, name))} wait for each other")
        for other in _listed(entry.get("DependsOn")):
            if self._exists(self.document["Resources"][other]):
                self.resource(other)
        self._making.append(name)
        try:
            properties = value(entry.get("Properties") or {}, self.scope)
            made = _made_resource(self, name, entry["Type"], properties)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            # Properties of another shape than AWS documents, such as a policy without what it hangs on.
            raise NotResolved(f"{shown(self.template)}: {name} cannot be worked out: {error!r}") from None
        found = replace(made, written=entry, properties=properties)
        self._making.pop()
        self._made[name] = found
        return found

    def physical(self, name: str, given: Any, most: int = 64) -> str:
        """The name of a resource: given, known from a deployment, or made up."""
        known = self.maker.physical.get((*self.path, name))
        return str(given or known or f"{self.name}-{name}"[:most])

    def reference(self, name: str) -> str:
        """`Ref` of a resource."""
        return self.resource(name).physical_id

    def attribute(self, name: str, attribute: str) -> str:
        """`Fn::GetAtt`."""
        found = self.resource(name)
        if attribute in found.attributes:
            return found.attributes[attribute]
        if found.type in _MAKERS:
            raise NotResolved(f"{attribute} of {name} ({found.type}) cannot be said without deploying")
        # Made up, as the names of resources are. That a deployment has it otherwise would be seen there.
        service = found.type.split("::")[1].lower()
        return _here(self, service, found.physical_id) if attribute.endswith("Arn") else found.physical_id

    def outputs(self) -> dict[str, str]:
        """The outputs whose conditions are true."""
        return {
            name: str(value(output["Value"], self.scope))
            for name, output in (self.document.get("Outputs") or {}).items()
            if self._exists(output)
        }

    def resources(self) -> Iterator[Resource]:
        """This stack's resources and those of its nested stacks, with the alias of the contract's stack in the path."""
        for name, found in self._made.items():
            path = (*self.path, name)
            yield Resource(
                path, found.type, found.physical_id, self.account, self.template, found.written, found.properties
            )
            if found.nested is not None:
                yield from found.nested.resources()


@dataclass(frozen=True)
class _Resource:
    type: str
    physical_id: str
    attributes: Mapping[str, str] = field(default_factory=dict)
    nested: _Made | None = None
    written: Any = field(default=None, repr=False)
    properties: Any = field(default=None, repr=False)


def _listed(item: Any) -> list[Any]:
    return [] if item is None else list(item) if isinstance(item, list) else [item]


Properties = Mapping[str, Any]


#: What gives access without a policy in it, or whose making is not for templates to say: beginnings of types.
_UNTOLD = (
    "AWS::CloudFormation::CustomResource",
    "AWS::CloudFormation::Macro",
    "AWS::CloudFormation::StackSet",
    "AWS::Cognito::IdentityPool",
    "AWS::EC2::VPCEndpointService",
    "AWS::EKS::AccessEntry",
    "AWS::Events::EventBusPolicy",
    "AWS::IAM::",
    "AWS::LakeFormation::",
    "AWS::Lambda::LayerVersionPermission",
    "AWS::Lambda::Permission",
    "AWS::Lambda::Url",
    "AWS::Logs::Destination",
    "AWS::Logs::ResourcePolicy",
    "AWS::Organizations::",
    "AWS::RAM::",
    "AWS::RolesAnywhere::",
    "AWS::SSO::",
    "AWS::Serverless::",
    "Custom::",
)


def _may_give_access(type_: str, properties: Properties) -> bool:
    if type_ in _MAKERS:
        return type_ == "AWS::S3::Bucket" and "AccessControl" in properties
    return type_.startswith(_UNTOLD) or '"Statement' in json.dumps(properties, default=str).replace("\\", "")


def _made_resource(stack: _Made, name: str, type_: str, properties: Properties) -> _Resource:
    if _may_give_access(type_, properties):
        stack.maker.untold[(*stack.path, name)] = [type_, properties]
    if type_ in _MAKERS:
        return _MAKERS[type_](stack, name, type_, properties)
    if _gives_access(properties):
        raise NotResolved(f"{shown(stack.template)}: {name} is a {type_} that says who may do something")
    # What gives nobody access; referred to only by what it is called.
    given = next((text for key, text in properties.items() if key in ("Name", f"{type_.rsplit('::', 1)[1]}Name")), None)
    return _Resource(type_, stack.physical(name, given))


def _gives_access(item: Any) -> bool:
    """Is there a policy document in a value, or a principal by itself (AWS::Lambda::Permission)?"""
    if isinstance(item, Mapping):
        return not {"Statement", "Principal", "Principals"}.isdisjoint(item) or any(map(_gives_access, item.values()))
    return isinstance(item, list) and any(map(_gives_access, item))


def _iam_arn(stack: _Made, kind: str, path: Any, name: str) -> str:
    partition = stack.scope.pseudo["AWS::Partition"]
    return f"arn:{partition}:iam::{stack.account}:{kind}{path or '/'}{name}"


def _here(stack: _Made, service: str, resource: str) -> str:
    pseudo = stack.scope.pseudo
    return f"arn:{pseudo['AWS::Partition']}:{service}:{pseudo['AWS::Region']}:{stack.account}:{resource}"


def _entity(kind: str) -> Callable[[_Made, str, str, Properties], _Resource]:
    """A role, group or user."""
    word = kind.capitalize()

    def make(stack: _Made, name: str, type_: str, p: Properties) -> _Resource:
        physical = stack.physical(name, p.get(f"{word}Name"), 128 if kind == "group" else 64)
        arn = _iam_arn(stack, kind, p.get("Path"), physical)
        account = stack.maker.accounts[stack.account]
        entity: dict[str, Any] = {
            f"{word}Name": physical,
            "Arn": arn,
            "Path": p.get("Path") or "/",
            f"{word}Id": f"{_ID[kind]}{name.upper()}",
            f"{word}PolicyList": [
                {"PolicyName": entry["PolicyName"], "PolicyDocument": _document(entry["PolicyDocument"])}
                for entry in p.get("Policies") or ()
            ],
            "AttachedManagedPolicies": [{"PolicyArn": found} for found in p.get("ManagedPolicyArns") or ()],
        }
        if kind == "role":
            entity["AssumeRolePolicyDocument"] = _document(p["AssumeRolePolicyDocument"])
            entity["MaxSessionDuration"] = int(p.get("MaxSessionDuration") or 3600)
        if kind != "group":
            entity["Tags"] = [{"Key": tag["Key"], "Value": str(tag["Value"])} for tag in p.get("Tags") or ()]
        if kind == "user":
            entity["GroupList"] = list(p.get("Groups") or ())
        if p.get("PermissionsBoundary"):
            entity["PermissionsBoundary"] = {"PermissionsBoundaryArn": p["PermissionsBoundary"]}
        account.entities[kind][arn] = entity
        return _Resource(type_, physical, {"Arn": arn})

    return make


_ID = {"role": "AROA", "group": "AGPA", "user": "AIDA"}


def _document(item: Any) -> Any:
    return json.loads(item) if isinstance(item, str) else item


def _managed_policy(stack: _Made, name: str, type_: str, p: Properties) -> _Resource:
    known = stack.maker.physical.get((*stack.path, name), "").rsplit("/", 1)[-1]
    physical = str(p.get("ManagedPolicyName") or known or f"{stack.name}-{name}"[:128])
    arn = _iam_arn(stack, "policy", p.get("Path"), physical)
    account = stack.maker.accounts[stack.account]
    account.entities["policy"][arn] = _policy(arn, p.get("Path") or "/", p["PolicyDocument"])
    for kind in ("role", "group", "user"):
        for target in p.get(f"{kind.capitalize()}s") or ():
            account.named(kind, target)["AttachedManagedPolicies"].append({"PolicyArn": arn})
    return _Resource(type_, arn, {"PolicyArn": arn})


def _inline_policy(stack: _Made, name: str, type_: str, p: Properties) -> _Resource:
    account = stack.maker.accounts[stack.account]
    for kind in ("role", "group", "user"):
        word = kind.capitalize()
        for target in [*(p.get(f"{word}s") or ()), *_listed(p.get(f"{word}Name"))]:
            entry = {"PolicyName": p["PolicyName"], "PolicyDocument": _document(p["PolicyDocument"])}
            account.named(kind, target)[f"{word}PolicyList"].append(entry)
    return _Resource(type_, stack.physical(name, None))


def _membership(stack: _Made, name: str, type_: str, p: Properties) -> _Resource:
    for user in p["Users"]:
        stack.maker.accounts[stack.account].named("user", user)["GroupList"].append(p["GroupName"])
    return _Resource(type_, stack.physical(name, None))


def _nested(stack: _Made, name: str, type_: str, p: Properties) -> _Resource:
    template = nested_file(stack.maker.contract, p["TemplateURL"])
    if template is None:
        raise NotResolved(f"{shown(stack.template)}: the template of {name} is not among the contract's uploads")
    given = {key: ",".join(map(str, text)) if isinstance(text, list) else str(text)
             for key, text in (p.get("Parameters") or {}).items()}  # fmt: skip
    inner = stack.maker.stack((*stack.path, name), stack.account, f"{stack.name}-{name}", template, given)
    outputs = {f"Outputs.{key}": text for key, text in inner.outputs().items()}
    return _Resource(type_, stack.physical(name, None), outputs, inner)


def _parameter(stack: _Made, name: str, type_: str, p: Properties) -> _Resource:
    return _Resource(type_, stack.physical(name, p.get("Name")), {"Type": p.get("Type", ""), "Value": p["Value"]})


def _bucket(stack: _Made, name: str, type_: str, p: Properties) -> _Resource:
    if given := given_without_policy(type_, p):
        raise NotResolved(
            f"{shown(stack.template)}: {name} lets others in by {given}, of which a contract cannot speak"
        )
    physical = stack.physical(name, p.get("BucketName"), 63).lower()
    return _Resource(type_, physical, {"Arn": f"arn:{stack.scope.pseudo['AWS::Partition']}:s3:::{physical}"})


def _key(stack: _Made, name: str, type_: str, p: Properties) -> _Resource:
    # As long and as shaped as a real one: parameters have patterns for it.
    made_up = str(uuid.uuid5(uuid.NAMESPACE_URL, "/".join((*stack.path, name))))
    physical = stack.maker.physical.get((*stack.path, name), made_up)
    arn = _here(stack, "kms", f"key/{physical}")
    _hang(stack, arn, type_, p["KeyPolicy"])
    return _Resource(type_, physical, {"Arn": arn, "KeyId": physical})


def _secret(stack: _Made, name: str, type_: str, p: Properties) -> _Resource:
    known = stack.maker.physical.get((*stack.path, name))
    arn = known or _here(stack, "secretsmanager", f"secret:{p.get('Name') or f'{stack.name}-{name}'}-AbCdEf")
    return _Resource(type_, arn, {"Id": arn})


def _hang(stack: _Made, arn: str, type_: str, document: Any) -> None:
    policies = stack.maker.accounts[stack.account].resource_policies
    policies.append({"Arn": arn, "Type": type_, "Account": stack.account, "Policy": _document(document)})


def _bucket_policy(stack: _Made, name: str, type_: str, p: Properties) -> _Resource:
    _hang(
        stack, f"arn:{stack.scope.pseudo['AWS::Partition']}:s3:::{p['Bucket']}", "AWS::S3::Bucket", p["PolicyDocument"]
    )
    return _Resource(type_, p["Bucket"])


def _secret_policy(stack: _Made, name: str, type_: str, p: Properties) -> _Resource:
    _hang(stack, p["SecretId"], "AWS::SecretsManager::Secret", p["ResourcePolicy"])
    return _Resource(type_, p["SecretId"])


_MAKERS: dict[str, Callable[[_Made, str, str, Properties], _Resource]] = {
    "AWS::IAM::Role": _entity("role"),
    "AWS::IAM::Group": _entity("group"),
    "AWS::IAM::User": _entity("user"),
    "AWS::IAM::ManagedPolicy": _managed_policy,
    "AWS::IAM::UserToGroupAddition": _membership,
    **dict.fromkeys(
        ("AWS::IAM::Policy", "AWS::IAM::RolePolicy", "AWS::IAM::GroupPolicy", "AWS::IAM::UserPolicy"), _inline_policy
    ),
    "AWS::CloudFormation::Stack": _nested,
    "AWS::SSM::Parameter": _parameter,
    "AWS::S3::Bucket": _bucket,
    "AWS::S3::BucketPolicy": _bucket_policy,
    "AWS::KMS::Key": _key,
    "AWS::SecretsManager::Secret": _secret,
    "AWS::SecretsManager::ResourcePolicy": _secret_policy,
}
