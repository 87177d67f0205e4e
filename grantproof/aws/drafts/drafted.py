"""Writes the contract, as text, of the access that a deployed grant gives."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from grantproof.aws.drafts.block_style import entry, scalar
from grantproof.aws.drafts.deployed_documents import deployed_document, without_unknown_actions
from grantproof.aws.drafts.skeleton import Skeleton, accounts_in, alias_of
from grantproof.aws.drafts.to_references import References
from grantproof.aws.drafts.within_boundary import within_boundary
from grantproof.aws.held.policies import Held
from grantproof.aws.held.sends import Path_, Sender, senders
from grantproof.aws.mocked.deployment import Resource
from grantproof.aws.staged.stage import Stage
from grantproof.contract import Stack
from grantproof.contract.sends import why_no_destination
from grantproof.source import read, text_of

DECIDE = "DECIDE"
_OF_AWS = ":iam::aws:policy/"


def contract_text(found: Skeleton, stage: Stage) -> str:
    """The contract of the deployed grant, as YAML with comments."""
    documents = [snapshot.as_dict() for snapshot in stage.snapshots().values() if snapshot.account == _owner(found)]
    own = [{k: v for k, v in d.items() if k != "Policies" or ":iam::aws:" not in json.dumps(v)} for d in documents]
    sent = [str(destination) for sender in senders(stage.deployment).values() for destination in sender.to]
    texts = [own, *(stack.parameters for stack in found.contract.stacks), sent]
    accounts = accounts_in(texts, _owner(found))
    found = replace(found, contract=replace(found.contract, accounts=accounts))
    return "\n".join(_Writer(found, stage).lines()) + "\n"


def _named(principal: Any) -> list[Any]:
    """The users, roles and accounts of a Principal element."""
    named = principal.get("AWS") if isinstance(principal, Mapping) else principal
    return named if isinstance(named, list) else [named]


def _names_everybody(principal: Any) -> bool:
    return "*" in _named(principal)


def _names_principal_or_account(names: Sequence[Any], arn: str) -> bool:
    """Do the AWS principals of a trust policy include an ARN, or its account?"""
    number = arn.split(":")[4]
    return any(str(name) in ("*", arn, number) or str(name).endswith(f"::{number}:root") for name in names)


def _owner(found: Skeleton) -> str:
    return found.contract.accounts["owner"]


class _Writer:
    """Writes one contract. Methods are in the order of the file."""

    def __init__(self, found: Skeleton, stage: Stage) -> None:
        self._found, self._stage, self._contract = found, stage, found.contract
        self._references = References(stage, found.contract)
        self._aliases: dict[str, str] = {}
        for held, resource in self._made():
            self._call(_arn(held), resource.path[-1])
        for arn in self._boundaries():
            self._call(arn, arn.rsplit("/", 1)[-1])
        for arn, resource in self._carriers():
            self._call(arn, resource.path[-1])

    def _call(self, arn: str, name: str) -> None:
        """Give an ARN an alias made of a name, unless it has one."""
        self._aliases.setdefault(arn, alias_of(name, list(self._aliases.values())))

    def lines(self) -> Iterator[str]:
        contract = self._contract
        yield f"# Drafted from what the templates give. {DECIDE} marks what only a person can know: go through each,"
        yield "# ask whether it was meant, and take the mark away."
        yield "version: 1"
        yield f'description: "{DECIDE}: what this grant is for, and who gets what from it."'
        yield ""
        yield "accounts:"
        for alias, number in contract.accounts.items():
            yield f'  {alias}: "{number}" # {DECIDE}: {self._whose(alias, number)}'
        yield f"region: {contract.region} # {DECIDE}"
        yield from self._uploads()
        yield ""
        yield "stacks:"
        for stack in contract.stacks:
            yield from self._stack(stack)
        yield ""
        yield "principals:" if any(True for _ in self._made()) else "principals: {}"
        for held, resource in self._made():
            yield from self._principal(held, _place(resource), self._references.of_arn(_arn(held)))
        for arn in self._boundaries():
            yield from self._principal(
                arn, f"{DECIDE}: a boundary that the stacks do not create", self._references.in_value(arn)
            )
        carriers = list(self._carriers())
        if carriers:
            yield ""
            yield "resources:"
        for arn, resource in carriers:
            yield from self._resource(arn, resource)
        yield from self._sends()

    def _whose(self, alias: str, number: str) -> str:
        """The question about an account in its comment. The number of an account that occurs only in invented parameter
        values was invented too."""
        if alias == "owner":
            return "the account that owns these stacks"
        made_up = [
            name
            for stack in self._contract.stacks
            for name in self._found.invented.get(stack.alias, ())
            if number in stack.parameters[name] and "Default" not in _parameter(stack, name)
        ]
        written = any(number in text_of(stack.template) for stack in self._contract.stacks)
        if not made_up or written:
            return "named in the templates; whose is it?"
        return f"made up for {', '.join(sorted(made_up))}; whose number is to stand here?"

    def _uploads(self) -> Iterator[str]:
        for upload in self._contract.uploads:
            files = [file.relative_to(self._contract.path.parent).as_posix() for file in upload.files]
            yield ""
            yield "uploads:"
            yield f"  {upload.alias}:"
            yield f"    account: {upload.account}"
            yield f"    bucket: {scalar(upload.bucket)} # {DECIDE}"
            if upload.prefix:
                yield f"    prefix: {scalar(upload.prefix)}"
            yield f"    files: {json.dumps(files)}"

    def _stack(self, stack: Stack) -> Iterator[str]:
        yield f"  {stack.alias}:"
        yield f"    account: {stack.account} # {DECIDE}: the account in which it is deployed"
        yield f"    template: {scalar(stack.template.relative_to(self._contract.path.parent).as_posix())}"
        if stack.parameters:
            yield "    parameters:"
        for name, value in stack.parameters.items():
            mark = self._mark(stack, name) if name in self._found.invented.get(stack.alias, ()) else ""
            text = value if "${" in value else self._references.in_value(value, outputs=False)
            yield f"      {name}: {scalar(text)}{mark}"

    def _mark(self, stack: Stack, name: str) -> str:
        if "Default" in _parameter(stack, name):
            return f" # {DECIDE}: its default, on which access may turn; others belong under `variants`"
        return f" # {DECIDE}: guessed"

    def _made(self) -> Iterator[tuple[Held | str, Resource]]:
        """What the stacks created, each with its resource: roles, groups, users, then managed policies (by ARN)."""
        order = {"role": 0, "group": 1, "user": 2}
        policies = self._stage.policies
        for held in sorted(policies.held.values(), key=lambda h: (order[h.kind], h.arn)):
            if resource := self._stage.origins.resource(held.arn):
                yield held, resource
        for arn in sorted(policies.managed):
            if resource := self._stage.origins.resource(arn):
                yield arn, resource

    def _boundaries(self) -> list[str]:
        """The permissions boundaries of created entities that the stacks do not create themselves."""
        own = {held for held, _ in self._made() if isinstance(held, str)}
        held = (held for held, _ in self._made() if not isinstance(held, str))
        found = (policy.label for entity in held for policy in entity.boundary or ())
        return [arn for arn in dict.fromkeys(found) if arn not in own]

    def _carriers(self) -> Iterator[tuple[str, Resource]]:
        """The resources of the stacks that have a resource policy, by ARN."""
        for arn in sorted(self._stage.policies.resource_policies):
            if resource := self._stage.origins.resource(arn):
                yield arn, resource

    def _resource(self, arn: str, resource: Resource) -> Iterator[str]:
        yield f"  {self._aliases[arn]}: # {_place(resource)}"
        yield f"    arn: {scalar(self._references.of_arn(arn))}"
        yield f"    policy: # {DECIDE}: is everybody named here meant to come in?"
        yield from self._statements(self._documents([arn]))

    def _sends(self) -> Iterator[str]:
        """The section `sends`. Destinations are not written as outputs: an output of the sending stack would promise
        whatever value it has."""
        sent = senders(self._stage.deployment)
        if any(map(_promisable, sent.values())):
            yield ""
            yield f"sends: # {DECIDE}: is all of this meant to leave its account?"
        for path, sender in sent.items():
            for destination in sender.to:
                if destination not in _promisable(sender):
                    why = why_no_destination(str(destination)) or "is not resolved."
                    yield f"  # {DECIDE}: left out, since no contract can promise it: {'/'.join(path)} sends to"
                    yield f"  # {json.dumps(destination, default=str)}, which {why}"
            if _promisable(sender):
                yield from self._sending(path, sender)

    def _sending(self, path: Path_, sender: Sender) -> Iterator[str]:
        alias = alias_of(path[-1], list(self._aliases.values()))
        self._aliases["/".join(path)] = alias
        yield f"  {alias}: # {sender.called}"
        yield f"    from: ${{stacks.{path[0]}.resources.{'/'.join(path[1:])}}}"
        yield f"    to: # {DECIDE}: whose is it?"
        for destination in _promisable(sender):
            yield f"      - {scalar(str(self._references.in_value(destination, outputs=False)))}"

    def _principal(self, held: Held | str, note: str, reference: str) -> Iterator[str]:
        arn = _arn(held)
        kind = "policy" if isinstance(held, str) else held.kind
        yield f"  {self._aliases[arn]}: # {note}"
        yield f"    {kind}: {scalar(reference)}"
        policies = [self._stage.policies.managed[held]] if isinstance(held, str) else list(held.identity)
        if not isinstance(held, str) and held.kind == "role":
            if entering := self._entering(held.arn):
                yield f"    entered_by: {json.dumps(entering)} # {DECIDE}: these can; should they?"
            if held.max_session != 3600:
                yield f"    max_session: {held.max_session}"
            trust = self._documents([f"{held.arn}#trust"])
            yield f"    trust: # {DECIDE}: is everybody named here meant to come in?"
            if any(_names_everybody(statement.get("Principal")) for statement in trust):
                yield f"      # {DECIDE}: AWS's documentation contradicts itself about * in a trust policy (O10), so"
                yield "      # that it cannot be verified; name the accounts as principals, and keep the condition"
            yield from self._statements(trust)
        if not isinstance(held, str) and held.boundary is not None:
            yield from self._boundary(held)
            remaining = within_boundary(held.identity, held.boundary)
            if remaining:
                yield f"    allows: # {DECIDE}: what its boundary leaves; is all of this meant?"
                yield from self._statements(remaining)
                return
        of_aws = [policy.label for policy in policies if _OF_AWS in policy.label and not isinstance(held, str)]
        if of_aws:
            yield f"    managed: # {DECIDE}: AWS may widen its own policies at any time; is that accepted?"
            yield from (f"      - {scalar(self._references.in_value(label))}" for label in of_aws)
        documents = self._documents([policy.label for policy in policies if policy.label not in of_aws])
        if documents:
            whole = isinstance(held, str) or held.boundary is None
            asked = (
                "is all of this meant?" if whole else "its boundary takes some of it away? Then promise what is left"
            )
            yield f"    allows: # {DECIDE}: {asked}"
            yield from self._statements(documents)
        elif not of_aws:
            yield "    allows: []"

    def _boundary(self, held: Held) -> Iterator[str]:
        for policy in held.boundary or ():
            yield f"    boundary: {self._aliases[policy.label]} # {DECIDE}: what it may do at most"

    def _entering(self, role: str) -> list[str]:
        out = []
        trusted = [_named(statement.get("Principal")) for statement in self._documents([f"{role}#trust"])]
        for arn, alias in self._aliases.items():
            held = self._stage.policies.held.get(arn)
            if held is None or arn == role or not any(_names_principal_or_account(names, arn) for names in trusted):
                continue
            if any(_lets_assume(statement, role) for policy in held.identity for statement in policy.statements):
                out.append(alias)
        return out

    def _documents(self, labels: Sequence[str]) -> list[Any]:
        """The deployed statements of several policies."""
        out: list[Any] = []
        for label in labels:
            document = deployed_document(self._stage, label)
            statements = document["Statement"]
            out += statements if isinstance(statements, list) else [statements]
        return out

    def _statements(self, statements: Sequence[Any]) -> Iterator[str]:
        sids = [s.get("Sid") for s in statements]
        for whole in statements:
            statement, unknown = without_unknown_actions(whole)
            if unknown:
                yield f"      # {DECIDE}: left out, since there is no such action: {', '.join(unknown)}"
            if statement is None:
                continue
            entries = {k: v for k, v in statement.items() if k != "Effect" or v != "Allow"}
            if entries.get("Sid") is not None and sids.count(entries["Sid"]) > 1:
                del entries["Sid"]  # a Sid may occur only once in a list of statements
            lead = "      - "
            for key, value in entries.items():
                yield from entry(lead, key, self._references.in_value(value))
                lead = "        "


def _parameter(stack: Stack, name: str) -> Mapping[str, Any]:
    """The declaration of a parameter in the stack's template."""
    declared: Mapping[str, Any] = read(stack.template).value["Parameters"][name]
    return declared


def _promisable(sender: Sender) -> list[str]:
    """The destinations of a sender that a contract can declare."""
    return [text for text in sender.to if isinstance(text, str) and not why_no_destination(text)]


def _lets_assume(statement: Any, role: str) -> bool:
    """Does a statement allow assuming the role by its name or a pattern, and not only because it allows everything?"""
    if not statement.allow or not any(action.matches("sts:assumerole") for action in statement.actions):
        return False
    patterns = statement.resources or ()
    return any(p.fixed is not None and not p.fixed.everything and p.fixed.matches(role) for p in patterns)


def _arn(held: Held | str) -> str:
    """The ARN of an entity, or of a managed policy, which is given as its ARN."""
    return held if isinstance(held, str) else held.arn


def _place(resource: Resource) -> str:
    return "/".join(resource.path)
