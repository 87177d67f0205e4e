"""Where a deployed statement stands in the templates."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

from grantproof.aws.deploy import Deployment, Resource
from grantproof.source import Document, Key, Place, read

_DOCUMENT_PROPERTIES = ("PolicyDocument", "KeyPolicy", "ResourcePolicy", "RepositoryPolicyText")


class Origins:
    """Finds the place of a statement by the label of its policy (see `policies.Held`) and its index.

    Exact where a policy's statements stand in the template as a list; where a list is itself computed (`Fn::If`
    around the whole), the place of the policy or of the resource is given.
    """

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment

    @cached_property
    def _resources(self) -> dict[str, Resource]:
        """Resources by what ends their ARN: `role/NAME`, `group/NAME`, `user/NAME`, or a whole physical id."""
        out: dict[str, Resource] = {}
        for stack in self._deployment.stacks:
            for resource in stack.resources:
                kind = resource.type.rsplit("::", 1)[1].lower()
                out[f"{kind}/{resource.physical_id}"] = resource
                out[resource.physical_id] = resource
        return out

    def resource(self, arn: str) -> Resource | None:
        """The resource that created what an ARN names, or None."""
        kind, _, name = arn.split(":", 5)[-1].partition("/")
        return self._resources.get(arn) or self._resources.get(f"{kind}/{name.rsplit('/', 1)[-1]}")

    def written(self) -> Iterator[Place]:
        """The place of every policy document in the properties of every deployed resource."""
        for resource in {id(r): r for r in self._resources.values()}.values():
            if resource.template is None:
                continue
            document = read(resource.template)
            base: tuple[Key, ...] = ("Resources", resource.path[-1], "Properties")
            for path in _documents(_at(document, base)):
                yield document.place(*base, *path)

    def nested(self, stack: Resource) -> Path | None:
        """The file that a nested stack was deployed from, or None where it is not among the contract's."""
        for deployed in self._deployment.stacks:
            for resource in deployed.resources:
                if resource.account == stack.account and resource.path[:-1] == stack.path:
                    return resource.template
        return None

    def place(self, label: str, statement: int | None = None) -> Place | None:
        """Where a policy, or one of its statements, is written; None where no template of the grant has it."""
        arn, _, name = label.partition("#")
        resource = self.resource(arn)
        if name and name != "trust":
            # An inline policy may be a resource of its own, which hangs on this one.
            own = [r for r in self._resources.values() if r.type in _SEPARATE and self._policy_name(r) == name]
            if own and not self._inline_paths(resource, name):
                resource = own[0]
        if resource is None or resource.template is None:
            return None
        document = read(resource.template)
        base: tuple[Key, ...] = ("Resources", resource.path[-1])
        for path in self._paths(resource, name):
            full = (*base, *path)
            if statement is not None:
                full = (*full, *_statement(_at(document, full), statement))
            return document.place(*full)
        return document.place(*base)

    def _paths(self, resource: Resource, name: str) -> Iterator[tuple[Key, ...]]:
        if name == "trust":
            yield ("Properties", "AssumeRolePolicyDocument")
        yield from self._inline_paths(resource, name)
        properties = (
            _at(read(resource.template), ("Resources", resource.path[-1], "Properties")) if resource.template else {}
        )
        for candidate in _DOCUMENT_PROPERTIES:
            if isinstance(properties, dict) and candidate in properties and name != "trust":
                yield ("Properties", candidate)

    def _inline_paths(self, resource: Resource | None, name: str) -> list[tuple[Key, ...]]:
        """Entries of `Policies` that can be the inline policy of this name: the one whose name, as far as it is written
        out, ends or begins the deployed name; where there is one entry only, that."""
        if resource is None or resource.template is None or not name or name == "trust":
            return []
        policies = _at(read(resource.template), ("Resources", resource.path[-1], "Properties", "Policies"))
        if not isinstance(policies, list):
            return []
        fitting = [n for n, entry in enumerate(policies) if _fits(entry, name)]
        chosen = fitting or ([0] if len(policies) == 1 else [])
        return [("Properties", "Policies", n, "PolicyDocument") for n in chosen]

    def _policy_name(self, resource: Resource) -> str:
        if resource.template is None:
            return ""
        value = _at(read(resource.template), ("Resources", resource.path[-1], "Properties", "PolicyName"))
        return value if isinstance(value, str) else ""


_SEPARATE = ("AWS::IAM::Policy", "AWS::IAM::RolePolicy", "AWS::IAM::UserPolicy", "AWS::IAM::GroupPolicy")


def _fits(entry: Any, name: str) -> bool:
    written = entry.get("PolicyName") if isinstance(entry, dict) else None
    if isinstance(written, dict) and isinstance(written.get("Fn::Sub"), str):
        pieces = [piece.rpartition("}")[2] for piece in written["Fn::Sub"].split("${")]
        return all(piece in name for piece in pieces)
    return written == name


def _at(document: Document, path: tuple[Key, ...]) -> Any:
    value = document.value
    for key in path:
        try:
            value = value[key]
        except (KeyError, IndexError, TypeError):
            return None
    return value


def _documents(value: Any) -> Iterator[tuple[Key, ...]]:
    """Paths of the policy documents in a value: objects with a Statement."""
    if isinstance(value, dict):
        if "Statement" in value:
            yield ()
            return
        for key, item in value.items():
            yield from ((key, *path) for path in _documents(item))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from ((number, *path) for path in _documents(item))


def _statement(policy: Any, number: int) -> tuple[Key, ...]:
    statements = policy.get("Statement") if isinstance(policy, dict) else None
    if isinstance(statements, list) and number < len(statements):
        return ("Statement", number)
    return ("Statement",) if statements is not None else ()
