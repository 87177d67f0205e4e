"""Judges mutants in branches of the templates that the contract does not deploy without its variants.

They need no deployment: what stacks hold under every combination of the variants is worked out from the templates. A
mutant changes something only under combinations in which the changed part of the template is taken and has another
value; of these each different one is held against the contract, as the suite variants does.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

from grantproof.aws.combinations.beyond import Beyond, beyond
from grantproof.aws.combinations.choices import left_open
from grantproof.aws.combinations.combined import Noted, compare_part, compare_rest, named, note_untold, view
from grantproof.aws.combinations.places import places
from grantproof.aws.combinations.space import Space, is_meant
from grantproof.aws.held.deployed import Deployed
from grantproof.aws.held.policies import SnapshotIncomplete
from grantproof.aws.synthesis.stacks import Refused, Synthesis
from grantproof.aws.templates.intrinsics import NotResolved, Scope, condition, value
from grantproof.aws.templates.parameters import problem, text
from grantproof.contract import Contract, ContractError, UnknownFact, Variant
from grantproof.evidence.finding import Finding
from grantproof.iam import LawError, MalformedPolicy
from grantproof.mutants.access import PERMISSIONS, TRUST, Change, access, changes, says_the_same
from grantproof.mutants.catalogue import Mutant
from grantproof.mutants.deploying import not_looked_at
from grantproof.mutants.reasons import Traces, original_place, right, spoken_of, traces_of, with_changes
from grantproof.mutants.score import DORMANT, EQUIVALENT, INVALID, KILLED, MISPLACED, Result
from grantproof.mutants.unbroken import check_contract
from grantproof.source import Key, Place, instead, read, shown
from grantproof.variants import Incompatible

_TEST = "variants: test_a_part_is_what_the_contract_says_in_every_combination"
_OPEN = "variants: test_what_the_contract_leaves_open_gives_nobody_more"
Path_ = tuple[Key, ...]
_TRUST = "AssumeRolePolicyDocument"
#: Properties that hold a policy document, which is looked at as a whole.
_DOCUMENTS = (_TRUST, "PolicyDocument", "KeyPolicy", "ResourcePolicy")


@dataclass(frozen=True)
class _Case:
    """A combination of variants in a region, as the templates are unbroken."""

    chosen: tuple[Variant, ...]
    region: str
    seen: Synthesis

    def around(self, changed: Sequence[Path_]) -> str:
        """What beside changed parts can hide that they give more or less: what else the entities hold. Who enters a
        role is for its trust policy alone to say."""
        return "" if all(path[-1] == _TRUST for path in changed) else self._without_trust

    @cached_property
    def _without_trust(self) -> str:
        accounts = [
            {**snapshot.as_dict(), "RoleDetailList": [{**role, _TRUST: None} for role in snapshot.roles]}
            for snapshot in self.seen.snapshots.values()
        ]
        return hashlib.sha256(json.dumps(accounts, sort_keys=True).encode()).hexdigest()


class Branches:
    """A grant under every combination of its variants, against which mutants are judged.

    Raises:
        NotResolved: what the stacks hold cannot be worked out.
    """

    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        self._space = Space(contract)
        self._regions = places(contract)
        self._parts = tuple(self._space.parts)
        self._is_open = bool(left_open(self._space)) or (len(self._regions) > 1 and not contract.accounts_for_options)
        # Where less is there besides, less can hide a fault.
        self._cases = tuple(sorted(self._all_cases(), key=lambda case: len(case.chosen)))
        # Now, as long as no template is broken.
        self._excluded = tuple(self._all_excluded())

    def _all_cases(self) -> Iterator[_Case]:
        for chosen, region in self._combinations():
            with suppress(Incompatible):
                found = self._space.seen(chosen, region) if is_meant(chosen) else Refused((), "")
                if not isinstance(found, Refused):
                    yield _Case(chosen, region, found)

    def _combinations(self) -> Iterator[tuple[tuple[Variant, ...], str]]:
        """Each once, those that the contract excludes included."""
        told: set[tuple[frozenset[str], str]] = set()
        for region in self._regions if self._contract.accounts_for_options else self._regions[:1]:
            combinations = [c for part in self._parts for c in self._space.combinations(part)]
            for chosen in [(), *self._space.gatherings(), *combinations]:
                key = frozenset(variant.alias for variant in chosen), region
                if key not in told:
                    told.add(key)
                    yield tuple(chosen), region

    def judge(self, mutant: Mutant, *, refused: str = "") -> Result:
        """Killed where a combination shows the fault and names it; equivalent where every combination is proved to be
        what the contract says.

        Args:
            refused: why AWS refuses it without variants. Where it does under others, that shows nothing new.
        """
        original = read(mutant.template)
        with instead({mutant.template: mutant.text}):
            document = read(mutant.template)
            result = self._verdict(mutant, original.value, document.value, refused)
        placed = tuple(replace(f, place=original_place(document, original, f.place)) for f in result.findings)
        return replace(result, findings=placed)

    def _verdict(self, mutant: Mutant, before: Mapping[str, Any], after: Mapping[str, Any], refused: str) -> Result:
        try:
            check_contract(self._contract, before, mutant)
        except ContractError as error:
            return not_looked_at(mutant, self._contract, error)
        contract, traces = self._contract, _traces(mutant)
        space = Space(contract)
        astray: tuple[Finding, ...] = ()
        known = bool(refused)
        if said := self._no_longer_excluded(mutant, space, before, after):
            clause = "combinations of options are refused as the contract says"
            finding = Finding(contract.grant, clause, "broken", said)
            return Result(mutant, KILLED, tests=(_TEST,), findings=(finding,))
        for case in self._differing(mutant, before, after):
            try:
                if known and isinstance(space.seen(case.chosen, case.region), Refused):
                    continue
                findings = tuple(self._findings(space, case))
            except MalformedPolicy as error:
                refused = refused or f"with {named(case.chosen)}: {error}"
                continue  # another combination may be deployed, and give more
            except (LawError, NotResolved, SnapshotIncomplete, UnknownFact) as error:
                # In the suites that is a red test, which says so.
                said = f"with {named(case.chosen)}: {error}"
                finding = Finding(contract.grant, "what is asked can be judged", "unverified", said)
                return Result(mutant, KILLED, tests=(_TEST,), findings=(finding,))
            if findings and not right(findings, traces):
                traces = self._with_changes(traces, space, case)
            if right(findings, traces):
                return Result(mutant, KILLED, tests=(_TEST,), findings=tuple(f for f in findings if traces.in_(f))[:2])
            astray = astray or findings[:3]
        given = self._given(mutant)
        narrowed = set(_narrowed(before, after)) - given
        if self._is_open or narrowed or _sections(before, given) != _sections(after, given):
            findings = tuple(_as_finding(contract, found) for found in beyond(contract))
            if findings:
                # Such a finding names the parameter or the condition through which the fault comes.
                return Result(mutant, KILLED, tests=(_OPEN,), findings=findings[:2])
        if astray:
            return Result(mutant, MISPLACED, tests=(_TEST,), findings=astray)
        if refused:
            return Result(mutant, INVALID, why=refused)
        if not self._is_taken(mutant, before, after):
            return Result(mutant, DORMANT, "nothing of what the contract speaks of takes this branch")
        return Result(mutant, EQUIVALENT)

    def _no_longer_excluded(
        self, mutant: Mutant, space: Space, before: Mapping[str, Any], after: Mapping[str, Any]
    ) -> str:
        """What the suites say of a combination that the contract excludes, and that the template without the fault
        refuses."""
        given, instances = self._given(mutant), self._instances(mutant)
        sections = _sections(before, given), _sections(after, given)
        asks = any(sections[0].get(name) != sections[1].get(name) for name in ("Parameters", "Rules", "Mappings"))
        takes = bool(_narrowed(before, after))
        for chosen, region, refused in self._excluded if asks or takes else ():
            # A rule does not ask what a parameter may be, and what it may be does not turn on a rule.
            if refused.stack in instances and (asks if " rule " in refused.message else takes):
                noted = Noted()
                with suppress(NotResolved):
                    view(space, chosen, region, noted)
                for _, detail, _ in noted.found:
                    return f"with {named(chosen)}: {detail}"
        return ""

    def _all_excluded(self) -> Iterator[tuple[tuple[Variant, ...], str, Refused]]:
        """The combinations that the contract excludes and the templates refuse, and which stack does."""
        for chosen, region in self._combinations():
            if not is_meant(chosen):
                with suppress(Incompatible, NotResolved):
                    found = self._space.seen(chosen, region)
                    if isinstance(found, Refused):
                        yield chosen, region, found

    def _is_taken(self, mutant: Mutant, before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
        """Is what differs in the resources part of what some combination makes?"""
        if {**before, "Resources": 0} != {**after, "Resources": 0}:
            return True
        changed = list(_changes(before["Resources"], after["Resources"], (), whole=False))
        paths = self._instances(mutant)
        scopes = [scope for case in self._cases for path in paths if (scope := case.seen.scopes.get(path)) is not None]
        return all(any(_is_made(scope, before["Resources"], change) for scope in scopes) for change in changed)

    def _instances(self, mutant: Mutant) -> list[tuple[str, ...]]:
        """The stacks that are made from the mutant's template."""
        template = mutant.template.resolve()
        return [i.path for i in self._space.dependencies.instances if i.template.resolve() == template]

    def _given(self, mutant: Mutant) -> frozenset[str]:
        """The parameters of a template that are given a value wherever it is used: nothing turns on their defaults."""
        uses = [i for i in self._space.dependencies.instances if i.template.resolve() == mutant.template.resolve()]
        stacks = {stack.alias: stack for stack in (*self._contract.stacks, *self._contract.additions.stacks)}
        out: list[frozenset[str]] = []
        for use in uses:
            if use.parent is None:
                out.append(frozenset(stacks[use.path[0]].parameters))
            else:
                properties = use.parent.section("Resources")[use.path[-1]].get("Properties") or {}
                passed = properties.get("Parameters")
                written = passed.items() if isinstance(passed, Mapping) and "Fn::If" not in passed else ()
                out.append(frozenset(name for name, entry in written if "AWS::NoValue" not in json.dumps(entry)))
        return frozenset.intersection(*out) if out else frozenset()

    def _findings(self, space: Space, case: _Case) -> Iterator[Finding]:
        noted = Noted(under=named(case.chosen))
        found = view(space, case.chosen, case.region, noted)
        if found is not None:
            for part in self._parts:
                compare_part(found, part, noted, whole=False)
            compare_rest(found, noted)
            note_untold(space, found, noted)
        for (clause, detail, place), seen in noted.found.items():
            kind: Literal["broken", "unverified"] = "broken" if seen.kind == "broken" else "unverified"
            yield Finding(space.contract.grant, clause, kind, f"with {noted.under}: {detail}", place)

    def _with_changes(self, traces: Traces, space: Space, case: _Case) -> Traces:
        """What came of the fault: the statements that differ, and what the contract promises of whom they are."""
        found = view(space, case.chosen, case.region, Noted())
        before = view(self._space, case.chosen, case.region, Noted())
        if found is None or before is None:
            return traces
        differ = changes(access(before), access(found))
        more = with_changes(traces, differ, found, spoken_of(before))
        spots = [spot for change in differ for spot in _spots(found, change) if spot is not None]
        return replace(more, lines=(*more.lines, *((shown(s.file), range(s.line, s.line + 1)) for s in spots)))

    def _differing(self, mutant: Mutant, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[_Case]:
        """One case for each way in which the mutant makes a difference to what a stack holds."""
        # Its conditions may turn on regions that say nothing in the template without the fault.
        for region in places(self._contract):
            if region not in self._regions:
                yield from (replace(c, region=region) for c in self._cases if c.region == self._regions[0])
        given = self._given(mutant)
        if _sections(before, given) != _sections(after, given):
            yield from self._cases
            return
        changed = list(dict.fromkeys(_changes(before["Resources"], after["Resources"], ())))
        instances = self._instances(mutant)
        told: set[str] = set()
        narrowed = _narrowed(before, after)
        for case in self._cases:
            for path in instances:
                scope = case.seen.scopes.get(path)
                if scope is None:
                    continue
                ways = [_way(scope, before["Resources"], after["Resources"], change) for change in changed]
                ways += [problem(name, p, text(scope.parameters[name])) for name, p in narrowed.items()]
                way = json.dumps([path, case.region, ways, case.around(changed)], default=str)
                if any(ways) and way not in told:
                    told.add(way)
                    if narrowed or not all(
                        not pair or _same_wherever_it_stands(before["Resources"], change, pair, scope)
                        for change, pair in zip(changed, ways, strict=True)
                    ):
                        yield case


def _same_wherever_it_stands(resources: Mapping[str, Any], change: Path_, pair: Any, scope: Scope) -> bool:
    """Is a change one of a policy document that says the same as before?"""
    if change[-1] not in _DOCUMENTS or not (isinstance(pair, tuple) and all(isinstance(p, Mapping) for p in pair)):
        return False
    old, new = pair
    aspect = TRUST if change[-1] == _TRUST else PERMISSIONS
    return says_the_same(old, new, resources[str(change[0])]["Type"], aspect, str(scope.pseudo["AWS::AccountId"]))


def _spots(found: Deployed, change: Change) -> Iterator[Place | None]:
    """Where the policies stand in which an entity differs, and their statements: one that is gone is told there."""
    held = found.policies.held.get(change.arn)
    if held is None:
        every = (*found.policies.managed.values(), *found.policies.resource_policies.values())
        policies = [policy for policy in every if policy.label == change.arn]
    elif change.aspect == TRUST:
        policies = [held.trust] if held.trust else []
    else:
        policies = [*held.identity, *(held.boundary or ())]
    for policy in policies:
        yield found.origins.place(policy.label)
        yield from (found.origins.place(policy.label, statement.index) for statement in policy.statements)


def _traces(mutant: Mutant) -> Traces:
    """The touched statements, and the resource that holds them: what is narrower is told where its policy stands."""
    found = traces_of(mutant)
    document, file = read(mutant.template), shown(mutant.template)
    whole = tuple((file, document.lines(*path[:2])) for path in mutant.touched if path[:1] == ("Resources",))
    # What CloudFormation refuses, it refuses by the name of the parameter.
    refused = [f"Parameter {quoted}" for key in mutant.site for quoted in (f"'{key}'", f"{key} failed")]
    # What IAM refuses, by that of the resource.
    refused += [text for key in mutant.site[1:2] for text in (f"resource {key}: ", f"dependencies [{key}]")]
    return replace(found, lines=(*found.lines, *whole), names=(*found.names, *refused))


def _as_finding(contract: Contract, found: Beyond) -> Finding:
    return Finding(contract.grant, "no parameter that is left open gives more", "unverified", found.detail, found.place)


_CONSTRAINTS = ("AllowedPattern", "AllowedValues", "MinLength", "MaxLength", "MinValue", "MaxValue")
_SAID = ("Description", "ConstraintDescription")


def _sections(template: Mapping[str, Any], always_given: frozenset[str]) -> dict[str, Any]:
    """What of a template is not a resource, without what is only said, what parameters take, and defaults that are
    never taken; and of resources, whether they are made."""
    out = {name: section for name, section in template.items() if name not in ("Resources", "Description", "Metadata")}
    given = {
        name: _without(p, (*_CONSTRAINTS, *_SAID, *(("Default",) if name in always_given else ())))
        for name, p in (template.get("Parameters") or {}).items()
    }
    told = {name: _without(o, _SAID) for name, o in (template.get("Outputs") or {}).items()}
    made = {name: (r.get("Type"), r.get("Condition")) for name, r in template["Resources"].items()}
    return {**out, "Parameters": given, "Outputs": told, "made": made}


def _without(item: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: entry for name, entry in item.items() if name not in names}


def _narrowed(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters whose constraints differ, as they are now."""
    old, new = before.get("Parameters") or {}, after.get("Parameters") or {}
    return {name: p for name, p in new.items() if _without(p, _SAID) != _without(old.get(name, {}), _SAID)}


def _changes(before: Any, after: Any, path: Path_, *, whole: bool = True) -> Iterator[Path_]:
    """The paths of the smallest parts that differ and whose values can be worked out by themselves; of a policy, its
    whole document where it is asked for as a `whole`, since one statement can hide what another says."""
    if before == after:
        return
    if whole and path and path[-1] in _DOCUMENTS:
        yield path
        return
    if isinstance(before, Mapping) and isinstance(after, Mapping) and set(before) == set(after):
        (name,) = before if len(before) == 1 else ("",)
        if not name.startswith("Fn::") or (name == "Fn::If" and before[name][0] == after[name][0]):
            for key in before:
                yield from _changes(before[key], after[key], (*path, key), whole=whole)
            return
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for number, (left, right_) in enumerate(zip(before, after, strict=True)):
            yield from _changes(left, right_, (*path, number), whole=whole)
        return
    yield path


def _is_made(scope: Scope, resources: Any, path: Path_) -> bool:
    """Is a part of the resources in a branch that is taken?"""
    entry, item = resources[path[0]] if path else {}, resources
    if "Condition" in entry and not condition(entry["Condition"], scope):
        return False
    for number, key in enumerate(path):
        if key == "Fn::If" and number + 1 < len(path):
            taken = 1 if condition(item[key][0], scope) else 2
            if path[number + 1] not in (0, taken):
                return False
        item = item[key]
    return True


def _way(scope: Scope, before: Any, after: Any, path: Path_) -> Any:
    """What a change makes of a part of the resources: both values, or nothing where it makes no difference."""
    if not _is_made(scope, before, path):
        return None
    for key in path:
        before, after = before[key], after[key]
    try:
        values = value(before, scope), value(after, scope)
    except NotResolved as error:
        return str(error)
    return values if values[0] != values[1] else None
