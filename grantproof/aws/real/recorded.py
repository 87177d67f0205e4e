"""A grant in real accounts: the contract with the exports of its accounts.

What a deployment shows in the mocked world is read from the export: outputs and resources of the stacks, maximum
session durations, resource policies. An export that lacks one of these is rejected.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import NoReturn

from grantproof.aws.held.deployed import Deployed
from grantproof.aws.held.origin import Origins
from grantproof.aws.held.policies import Policies, SnapshotIncomplete
from grantproof.aws.held.snapshot import RESOURCE_POLICIES, AccountSnapshot
from grantproof.aws.mocked.deployment import DeployedStack, Deployment, Resource
from grantproof.aws.mocked.nested_templates import nested_template
from grantproof.aws.real.export import Export, ExportRefused, RecordedStack
from grantproof.contract import Contract, Stack, facts_of, references
from grantproof.iam import IamError
from grantproof.source import Place, read, shown


class Recorded(Deployed):
    """A contract and the exports of its accounts, by alias.

    Raises:
        ExportRefused: an account has no export, or that of another account, or one that lacks what the contract needs.
    """

    def __init__(self, contract: Contract, exports: Mapping[str, Export]) -> None:
        self.contract = contract
        self.exports = {alias: _of_account(contract, alias, exports) for alias in contract.accounts}
        stacks = tuple(_stack(contract, stack, self.exports[stack.account]) for stack in contract.stacks)
        facts = facts_of(contract)
        for stack in stacks:
            facts = facts.with_values(stack.facts)
        self.deployment = Deployment(stacks, facts)
        self._snapshots = {export.account: export.snapshot for export in self.exports.values()}
        self._policies = self._parsed()
        self._check_references()
        self._check_created()
        self._check_durations()

    @property
    def policies(self) -> Policies:
        """The policies of all accounts, parsed once."""
        return self._policies

    @cached_property
    def origins(self) -> Origins:
        """The places of statements: the account that has them, and the template that should have created them."""
        return _RecordedOrigins(self.deployment, {e.account: e.path for e in self.exports.values()})

    def snapshots(self) -> Mapping[str, AccountSnapshot]:
        """The exported snapshots, by account number."""
        return self._snapshots

    def may_have_created(self, arn: str) -> bool:
        """Does a stack contain a resource with this ARN, or with the same name?"""
        name = arn.split(":", 5)[-1].rsplit("/", 1)[-1].rsplit(":", 1)[-1]
        return any(
            resource.physical_id == arn or resource.physical_id.rsplit("/", 1)[-1] == name
            for stack in self.deployment.stacks
            for resource in stack.resources
        )

    def summary(self) -> str:
        """One line for reports: the exports, and the services whose resource policies they contain."""
        read_of = ", ".join(sorted({service for export in self.exports.values() for service in export.services}))
        named = ", ".join(f"{alias} ({shown(export.path)})" for alias, export in self.exports.items())
        return f"against {named}; resource policies read of: {read_of or 'no service'}"

    def _parsed(self) -> Policies:
        try:
            return Policies(self._snapshots.values())
        except (IamError, SnapshotIncomplete) as error:
            named = ", ".join(shown(export.path) for export in self.exports.values())
            raise ExportRefused(self.contract.path, f"{named}: a policy cannot be read: {error}.") from None

    def _check_references(self) -> None:
        known = self.deployment.facts.values
        for principal in self.contract.principals:
            for statement in (*principal.trust, *principal.allows, *principal.denies):
                self._check_known(statement.document, known, statement.place)
            for policy in principal.managed:
                self._check_known(policy.reference, known, policy.place)
            self._check_known(principal.reference, known, principal.place)
        for resource in self.contract.resources:
            for statement in resource.policy:
                self._check_known(statement.document, known, statement.place)
            self._check_known(resource.reference, known, resource.place)
        for sending in self.contract.sends:
            self._check_known(sending.to, known, sending.place)

    def _check_known(self, value: object, known: Mapping[str, str], place: Place) -> None:
        for name in references(value):
            if name not in known:
                stack = next(s for s in self.contract.stacks if s.alias == name.split(".")[1])
                raise ExportRefused(
                    self.exports[stack.account].path,
                    f"the stack {stack.name} has no output {name.split('.')[3]}, which {place} refers to. "
                    "Deploy the stack again, or export it with its outputs.",
                )

    def _check_created(self) -> None:
        """Reject an export that lacks an IAM entity that the stacks created, since one that `--filter` left out would
        not be verified."""
        for stack in self.deployment.stacks:
            export, snapshot = self.exports[stack.account], self.exports[stack.account].snapshot
            there = {
                "AWS::IAM::Role": {role["RoleName"] for role in snapshot.roles},
                "AWS::IAM::User": {user["UserName"] for user in snapshot.users},
                "AWS::IAM::Group": {group["GroupName"] for group in snapshot.groups},
                "AWS::IAM::ManagedPolicy": {policy["Arn"] for policy in snapshot.policies},
            }
            for resource in stack.resources:
                if resource.type in there and resource.physical_id not in there[resource.type]:
                    raise ExportRefused(
                        export.path,
                        f"the stack {stack.name} created {resource.physical_id} ({resource.type}), which the export "
                        "does not hold: it was deleted since, or left out by --filter.",
                    )
            needed = {r.type.split("::")[1].lower() for r in stack.resources if r.type.count("::") == 2}
            for service in sorted(needed & set(RESOURCE_POLICIES) - set(export.services)):
                raise ExportRefused(
                    export.path,
                    f"the stack {stack.name} has resources of {service}, whose policies the export does not hold. "
                    "Take it with `grantproof snapshot`, or add ResourcePolicies with their Services.",
                )

    def _check_durations(self) -> None:
        for principal in self.contract.principals:
            held = self._held_role(principal.alias)
            if held is not None and "MaxSessionDuration" not in held[1]:
                raise ExportRefused(
                    held[0].path,
                    f"does not tell MaxSessionDuration of {held[1]['Arn']}. Add what `aws iam list-roles` prints.",
                )

    def _held_role(self, alias: str) -> tuple[Export, Mapping[str, object]] | None:
        principal = self.contract.principal(alias)
        if principal.kind != "role":
            return None
        reference = self.resolved(principal.reference)
        for export in self.exports.values():
            for role in export.snapshot.roles:
                if reference in (role["Arn"], role["RoleName"]):
                    return export, role
        return None


@dataclass(frozen=True, slots=True)
class RecordedPlace(Place):
    """The place of a policy in a template, with the account and policy that was compared (`found`)."""

    found: str = field(default="", compare=False)

    def __str__(self) -> str:
        written = Place.__str__(self)
        return f"{self.found} (written at {written})" if self.found else written


class _RecordedOrigins(Origins):
    """Origins that name the account's policy first. The deployed statement may differ from the template's at the same
    index, so the place is that of the whole policy."""

    def __init__(self, deployment: Deployment, paths: Mapping[str, Path]) -> None:
        super().__init__(deployment)
        self._paths_of = paths

    def place(self, label: str, statement: int | None = None) -> Place | None:
        """As `Origins.place`."""
        place = super().place(label)
        if place is None:
            return None
        account = label.split(":")[4] if label.count(":") > 4 else ""
        found = f"{shown(self._paths_of[account])}: {label}" if account in self._paths_of else label
        return RecordedPlace(place.file, place.line, place.column, found)

    def written(self) -> Iterator[Place]:
        """As `Origins.written`."""
        for place in super().written():
            yield RecordedPlace(place.file, place.line, place.column)


def recorded(contracts: Iterable[Contract], exports: Mapping[str, Export]) -> dict[str, Recorded]:
    """Every grant with its exports, by name.

    Raises:
        ExportRefused: as `Recorded`; or no contract has the account of an export.
    """
    used = {alias for contract in contracts for alias in contract.accounts}
    for alias in sorted(exports.keys() - used):  # a mistyped one, before the account that then has none
        raise ExportRefused(
            exports[alias].path, f"no contract has an account {alias!r}. Accounts: {', '.join(sorted(used))}."
        )
    return {contract.grant: Recorded(contract, exports) for contract in contracts}


def _of_account(contract: Contract, alias: str, exports: Mapping[str, Export]) -> Export:
    if alias not in exports:
        raise ExportRefused(contract.path, f"account {alias!r} has no snapshot. Add --snapshot {alias}=FILE.")
    export, wanted = exports[alias], contract.accounts[alias]
    if export.account != wanted:
        raise ExportRefused(
            export.path, f"is of account {export.account}; {shown(contract.path)} says that {alias!r} is {wanted}."
        )
    for role in export.snapshot.roles:
        partition = role["Arn"].split(":")[1]
        if partition != contract.partition:
            raise ExportRefused(export.path, f"is of the partition {partition}; {contract.region} is in another.")
    return export


def _stack(contract: Contract, stack: Stack, export: Export) -> DeployedStack:
    found = _find(contract, stack, export)
    resources = tuple(_resources(contract, stack, export, found.id, stack.template, ()))
    given = found.parameters
    return DeployedStack(stack.alias, stack.account, stack.name, stack.template, given, found.outputs, resources)


def _find(contract: Contract, stack: Stack, export: Export) -> RecordedStack:
    def refuse(message: str) -> NoReturn:
        raise ExportRefused(export.path, message)

    named = [s for s in export.stacks if s.name == stack.name and s.region == contract.region]
    if not named:
        there = ", ".join(sorted({s.name for s in export.stacks})) or "none"
        refuse(
            f"has no stack {stack.name} in {contract.region}. Add what `aws cloudformation describe-stacks` prints, or "
            f"give stack {stack.alias!r} its real name ({stack.place}). Stacks there: {there}."
        )
    if len(named) > 1:
        refuse(f"holds the stack {stack.name} twice.")
    if not named[0].settled:
        refuse(f"the stack {stack.name} is {named[0].status}. Export again when it is complete.")
    return named[0]


def _resources(
    contract: Contract, stack: Stack, export: Export, stack_id: str, template: Path | None, above: tuple[str, ...]
) -> Iterator[Resource]:
    # The physical id of a nested stack is its ARN, in which the name is the second part.
    own = next((v for k, v in export.resources.items() if stack_id in (k, *k.split("/")[1:2])), None)
    if own is None:
        raise ExportRefused(
            export.path,
            f"does not hold the resources of the stack {stack_id}. Add what `aws cloudformation "
            f"describe-stack-resources --stack-name {stack_id.split('/')[1] if '/' in stack_id else stack_id}` prints.",
        )
    for entry in own:
        path, kind, physical = (
            (*above, entry["LogicalResourceId"]),
            entry["ResourceType"],
            entry.get("PhysicalResourceId"),
        )
        if not physical or entry.get("ResourceStatus") == "DELETE_COMPLETE":
            continue
        written = template is not None and path[-1] in read(template).value["Resources"]
        yield Resource(path, kind, physical, stack.account, template if written else None)
        if kind == "AWS::CloudFormation::Stack":
            nested = nested_template(contract, template, path[-1]) if written else None
            yield from _resources(contract, stack, export, physical, nested, path)
