"""Resources that give access in a way that no contract can declare."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from grantproof.aws.held.api_methods import operation_without_iam
from grantproof.aws.held.content import ResourceFinding, content
from grantproof.aws.held.deployed import Deployed
from grantproof.aws.held.disclosures import discloses
from grantproof.aws.held.non_policy_access import (
    AccessKind,
    access_kind,
    external_principal_in_properties,
    granting_property,
    may_give_access,
    public_access_blocks_off,
)
from grantproof.aws.held.origin import properties_of, written_of
from grantproof.aws.held.policies import SnapshotIncomplete
from grantproof.aws.held.resource_properties import account_of, known_properties, not_created
from grantproof.aws.mocked.deployment import DeployedStack, Deployment, Resource
from grantproof.aws.templates.carriers import ATTACHMENTS, CARRIERS
from grantproof.source import at, read, shown


def undeclarable(deployed: Deployed) -> Iterator[ResourceFinding]:
    """Resources that give access by other means than a policy that can be compared with the contract. For resources
    that could not be created, only their properties count, since their existence is a finding already."""
    for stack in deployed.deployment.stacks:
        for resource in (*stack.resources, *not_created(stack)):
            for detail in _access_of(deployed, stack, resource):
                yield ResourceFinding(detail, place_of(resource, deployed), content(stack, resource))


def _access_of(deployed: Deployed, stack: DeployedStack, resource: Resource) -> Iterator[str]:
    """The ways in which a resource gives access that no contract can declare, in words."""
    name, is_made = resource.path[-1], resource in stack.resources
    if is_made and access_kind(resource.type) is AccessKind.DIRECT and not is_declared(deployed, resource):
        yield f"creates {name}, an {resource.type}, of which a contract cannot speak"
    written = known_properties(deployed.deployment, stack, resource)
    account = account_of(deployed.deployment, stack)
    if named := external_principal_in_properties(resource.type, written, account):
        yield f"{name} ({resource.type}) names {named}, of which a contract cannot speak"
    if is_made and has_unexported_policy(resource, properties_of(resource)):
        yield f"{name} writes a policy, and exports hold none of {resource.type}"
    if is_made and may_have_unwritten_policy(resource):
        yield (
            f"{name}, an {resource.type}, may have a policy: exports hold none of that type, and no template of the "
            "grant has this resource"
        )
    operation = operation_without_iam(at(written, ("Body",))) if resource.type == _API else ""
    if operation and not has_policy(deployed, resource.physical_id):
        yield f"{name} lets others in by {operation}, which asks for no IAM"
    given = granting_property(resource.type, written)
    if given and not (resource.type == _METHOD and is_governed_by_api_policy(deployed, written)):
        yield f"{name} lets others in by {given}, of which a contract cannot speak"
    if (off := public_access_blocks_off(resource.type, written)) and not _is_open_to_all(deployed, resource):
        yield (
            f"{name} does not block public access: {', '.join(off)} must be true. Leave "
            "PublicAccessBlockConfiguration out for what a new one has, which is all of it"
        )


_API, _METHOD = "AWS::ApiGateway::RestApi", "AWS::ApiGateway::Method"


def is_governed_by_api_policy(deployed: Deployed, method: Any) -> bool:
    """Does a policy of the API decide who may call a method without IAM authorization?"""
    return has_policy(deployed, str(at(method, ("RestApiId",))))


def has_policy(deployed: Deployed, api: str) -> bool:
    """Is there a policy on the API with this id?"""
    return any(arn.endswith(f"::/restapis/{api}") for arn in deployed.policies.resource_policies)


def _is_open_to_all(deployed: Deployed, resource: Resource) -> bool:
    """Does the contract allow everybody something on a bucket, without conditions? Then public access cannot be
    blocked."""
    for declared in deployed.contract.resources:
        with suppress(SnapshotIncomplete):
            if str(deployed.resolved(declared.reference)).rpartition(":")[2] == resource.physical_id:
                said = [s.document for s in declared.policy if s.document.get("Effect", "Allow") == "Allow"]
                return any(s.get("Principal") in ("*", {"AWS": "*"}) and "Condition" not in s for s in said)
    return False


def has_unexported_policy(resource: Resource, written: Any) -> bool:
    """Does a resource of a real account have a policy in its template that exports do not contain? Always False in the
    mocked world, where policies are taken from the resolved properties."""
    if resource.properties is not None:
        return False
    if resource.type == "AWS::Lambda::Permission":
        # Exports contain the policies of functions, but not those of their aliases and versions.
        return not _names_function(at(written, ("FunctionName",)), resource)
    if resource.type in _READ:
        return False
    carrier = CARRIERS.get(resource.type)
    return resource.type in ATTACHMENTS or (
        carrier is not None and bool(carrier.policy_path) and bool(at(written, carrier.policy_path))
    )


def may_have_unwritten_policy(resource: Resource) -> bool:
    """May a resource of a real account have a policy that neither an export nor a template of the grant contains? The
    template has changed since the deployment, or a transform generates the resource. Always False in the mocked world.
    """
    carrier = CARRIERS.get(resource.type)
    if resource.properties is not None or carrier is None or not carrier.policy_path or resource.type in _READ:
        return False
    return str(at(written_of(resource), ("Type",))) != resource.type


#: Types in `CARRIERS` whose policies exports contain.
_READ = frozenset({"AWS::KMS::ReplicaKey", "AWS::Lambda::ResourcePolicy"})


def _names_function(name: Any, permission: Resource) -> bool:
    """Does the written FunctionName mean a function itself: a name or ARN without qualifier, or a reference to a
    function of the same template?"""
    if isinstance(name, str):
        return len(name.rpartition(":function:")[2].split(":")) == 1
    referred = at(name, ("Ref",)) or at(name, ("Fn::GetAtt", 0)) or str(at(name, ("Fn::Sub",)) or "")[2:-1]
    resources = read(permission.template).value["Resources"] if permission.template is not None else {}
    type_ = str(at(resources, (str(referred).partition(".")[0], "Type")))
    return "." not in str(referred).removesuffix(".Arn") and type_.endswith(
        ("Lambda::Function", "Serverless::Function")
    )


def unknown_access(deployment: Deployment) -> Mapping[tuple[str, ...], Resource]:
    """The resources of synthesised stacks that may give access in a way that synthesis does not evaluate, or that
    contain the value of a secret; by the stack's alias and logical ids."""
    return {
        (stack.alias, *resource.path): resource
        for stack in deployment.stacks
        for resource in stack.resources
        if may_give_access(resource.type, resource.properties, account_of(deployment, stack))
        or discloses(deployment, resource)
    }


def place_of(resource: Resource, deployed: Deployed) -> str:
    """`file:line:column` of a resource in its template; the contract's path where its template is not a file."""
    if resource.template is None:
        return shown(deployed.contract.path)
    return str(read(resource.template).place("Resources", resource.path[-1]))


def is_declared(deployed: Deployed, resource: Resource) -> bool:
    """Does the contract declare the access that a resource gives? It does for an identity provider that a declared
    trust policy names, and for an instance profile whose roles are all declared and trust EC2."""
    trusts: dict[str, Any] = {
        deployed.resolved(role.reference).rsplit("/", 1)[-1]: str([deployed.resolved(s.document) for s in role.trust])
        for role in deployed.contract.principals
        if role.kind == "role"
    }
    if resource.type in ("AWS::IAM::OIDCProvider", "AWS::IAM::SAMLProvider"):
        return any(f"'{resource.physical_id}'" in trust for trust in trusts.values())
    if resource.type == "AWS::IAM::InstanceProfile" and resource.properties:
        roles = resource.properties.get("Roles") or ()
        return bool(roles) and all("'ec2.amazonaws.com'" in trusts.get(str(role), "") for role in roles)
    return False
