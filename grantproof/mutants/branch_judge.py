"""Judges mutants in branches of the templates that only variants of the contract deploy.

Nothing is deployed: the stacks are synthesised under every combination of the variants. A mutant has an effect only
under combinations in which the changed part of the template is used and has another value. One combination for each
different effect is compared with the contract, as the suite variants does.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

from grantproof.aws.combinations.combined import CombinedFindings, combination_name, synthesised_under
from grantproof.aws.combinations.excess import Excess, excess
from grantproof.aws.combinations.instances import Instance
from grantproof.aws.combinations.open_parameters import open_parameters
from grantproof.aws.combinations.regions_to_check import regions_to_check
from grantproof.aws.combinations.space import Space
from grantproof.aws.held.deployed import Deployed
from grantproof.aws.held.policies import SnapshotIncomplete
from grantproof.aws.synthesis.stacks import Refused
from grantproof.aws.templates.scope import NotResolved
from grantproof.contract import Contract, ContractError, UnknownFact
from grantproof.evidence.finding import Finding
from grantproof.iam import IamError, MalformedPolicy
from grantproof.mutants.baseline import check_contract, malformed
from grantproof.mutants.cases import Case, Cases
from grantproof.mutants.deployed_access import TRUST, Change, access, changes
from grantproof.mutants.deployment_judge import undeployable
from grantproof.mutants.mutant import Mutant
from grantproof.mutants.reasons import Traces, declared_references, names_fault, original_place, traces_of, with_changes
from grantproof.mutants.score import DORMANT, EQUIVALENT, INVALID, KILLED, MISPLACED, Result
from grantproof.mutants.template_diff import TemplateDiff, given_wherever_used, passed
from grantproof.source import Place, overlay, read, shown

_TEST = "variants: test_a_part_is_what_the_contract_says_in_every_combination"
_OPEN = "variants: test_what_the_contract_leaves_open_gives_nobody_more"


class BranchJudge:
    """Judges mutants against the original grant under every combination of its variants.

    Attributes:
        cases: the original grant.

    Raises:
        NotResolved: the stacks cannot be synthesised.
    """

    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        self.cases = Cases(contract)
        self._space = self.cases.space
        several = len(self.cases.regions) > 1 and not contract.accounts_for_options
        self._is_open = bool(open_parameters(self._space)) or several

    def judge(self, mutant: Mutant, *, refused: str = "") -> Result:
        """The verdict on a mutant: killed if a finding under some combination names the fault; equivalent if every
        combination agrees with the contract.

        Args:
            refused: why AWS refuses the mutant without variants; a refusal under variants is then ignored.
        """
        original = read(mutant.template)
        with overlay({mutant.template: mutant.text}, dumped=True):
            document = read(mutant.template)
            if said := malformed(mutant):
                return Result(mutant, INVALID, why=said)
            try:
                check_contract(self._contract, original.value, mutant)
            except ContractError as error:
                result = undeployable(mutant, self._contract, error)
            else:
                result = self._verdict(
                    mutant, TemplateDiff(original.value, document.value, self._given(mutant)), refused
                )
        placed = tuple(replace(f, place=original_place(document, original, f.place)) for f in result.findings)
        return replace(result, findings=placed)

    def _verdict(self, mutant: Mutant, apart: TemplateDiff, refused: str) -> Result:
        space = Space(self._contract, self._space)
        if said := self._no_longer_excluded(mutant, space, apart):
            return self._killed(mutant, "combinations of options are refused as the contract says", "broken", said)
        held = self._compared_with_contract(mutant, space, apart, refused)
        if held.result is not None:
            return held.result
        if self._is_open or set(apart.changed_parameters) - apart.given or apart.differs_outside_resources:
            findings = tuple(_as_finding(self._contract, found) for found in excess(self._contract, self._space))
            if findings:
                # Such a finding names the parameter or condition that the mutant made too wide.
                return Result(mutant, KILLED, tests=(_OPEN,), findings=findings[:2])
        if held.misplaced:
            return Result(mutant, MISPLACED, tests=(_TEST,), findings=held.misplaced)
        if held.refused:
            return Result(mutant, INVALID, why=held.refused)
        if not apart.is_used(self.cases.scopes(self._instances(mutant))):
            return Result(mutant, DORMANT, "nothing of what the contract speaks of takes this branch")
        return Result(mutant, EQUIVALENT)

    def _killed(self, mutant: Mutant, clause: str, kind: Literal["broken", "unverified"], said: str) -> Result:
        return Result(mutant, KILLED, tests=(_TEST,), findings=(Finding(self._contract.grant, clause, kind, said),))

    def _compared_with_contract(self, mutant: Mutant, space: Space, apart: TemplateDiff, refused: str) -> _CaseResults:
        """Compare case by case, until a finding names the fault."""
        known, traces = bool(refused), _traces(mutant)
        misplaced: tuple[Finding, ...] = ()
        for case in self._differing(mutant, apart):
            try:
                if known and isinstance(space.synthesised(case.chosen, case.region), Refused):
                    continue
                findings = self.cases.findings(space, case)
            except MalformedPolicy as error:
                refused = refused or f"with {combination_name(case.chosen)}: {error}"
                continue  # another combination may be deployed, and give more
            except (IamError, NotResolved, SnapshotIncomplete, UnknownFact) as error:
                # In the suites this is a failing test with the same message.
                said = f"with {combination_name(case.chosen)}: {error}"
                return _CaseResults(self._killed(mutant, "what is asked can be judged", "unverified", said))
            if findings and not names_fault(findings, traces):
                traces = self._with_changes(traces, space, case)
            if names_fault(findings, traces):
                shown_by = tuple(finding for finding in findings if traces.match(finding))
                return _CaseResults(Result(mutant, KILLED, tests=(_TEST,), findings=shown_by[:2]))
            misplaced = misplaced or findings[:3]
        return _CaseResults(None, misplaced, refused)

    def _no_longer_excluded(self, mutant: Mutant, space: Space, apart: TemplateDiff) -> str:
        """The finding on a combination that the contract excludes and the original template refuses, if the mutant
        accepts it; empty where there is none."""
        asks, takes = apart.changes_parameter_checks, bool(apart.changed_parameters)
        instances = self._instances(mutant)
        for chosen, region, refused in self.cases.excluded if asks or takes else ():
            # Rules and constraints of parameters are independent, so only the changed kind is checked again.
            if refused.stack in instances and (asks if " rule " in refused.message else takes):
                noted = CombinedFindings()
                with suppress(NotResolved):
                    synthesised_under(space, chosen, region, noted)
                for _, detail, _ in noted.found:
                    return f"with {combination_name(chosen)}: {detail}"
        return ""

    @cached_property
    def _uses(self) -> Mapping[Path, Sequence[Instance]]:
        """The instances of each template."""
        out: dict[Path, list[Instance]] = {}
        for instance in self._space.dependencies.instances:
            out.setdefault(instance.template.resolve(), []).append(instance)
        return out

    def _instances(self, mutant: Mutant) -> list[tuple[str, ...]]:
        return [use.path for use in self._uses.get(mutant.template.resolve(), ())]

    def _given(self, mutant: Mutant) -> frozenset[str]:
        """The parameters of a template that every instance sets."""
        stacks = {stack.alias: stack for stack in (*self._contract.stacks, *self._contract.additions.stacks)}
        out: list[frozenset[str]] = []
        for use in self._uses.get(mutant.template.resolve(), ()):
            if use.parent is None:
                out.append(frozenset(stacks[use.path[0]].parameters))
            else:
                properties = use.parent.section("Resources")[use.path[-1]].get("Properties") or {}
                out.append(passed(properties.get("Parameters")))
        return given_wherever_used(out)

    def _with_changes(self, traces: Traces, space: Space, case: Case) -> Traces:
        """Traces extended by the effect of the fault: statements that differ, and what the contract says of their
        entities."""
        found = synthesised_under(space, case.chosen, case.region, CombinedFindings())
        before = synthesised_under(self._space, case.chosen, case.region, CombinedFindings())
        if found is None or before is None:
            return traces
        differ = changes(access(before), access(found))
        more = with_changes(traces, differ, found, declared_references(before))
        spots = [spot for change in differ for spot in _changed_places(found, change) if spot is not None]
        return replace(more, lines=(*more.lines, *((shown(s.file), range(s.line, s.line + 1)) for s in spots)))

    def _differing(self, mutant: Mutant, apart: TemplateDiff) -> Iterator[Case]:
        """One case for each different effect of the mutant on a stack."""
        # The conditions of the mutant may depend on regions that the original does not distinguish.
        home = self.cases.regions[0]
        for region in regions_to_check(self._contract):
            if region not in self.cases.regions:
                yield from (replace(case, region=region) for case in self.cases.every if case.region == home)
        if apart.differs_outside_resources:
            yield from self.cases.every
            return
        instances = self._instances(mutant)
        told: set[str] = set()
        same: dict[str, bool] = {}
        for case in self.cases.every:
            for path in instances:
                scope = case.synthesis.scopes.get(path)
                if scope is None or not (ways := apart.effects(scope)):
                    continue
                here = json.dumps([scope.pseudo["AWS::AccountId"], ways], default=str)
                way = f"{path} {case.region} {case.surroundings(apart.changed)} {here}"
                if way in told:
                    continue
                # Most mutants are caught in the first case, so the slower comparison of policies starts with the
                # second.
                if told and here not in same:
                    same[here] = apart.gives_same_access(ways, scope)
                if not told or not same[here]:
                    yield case
                told.add(way)


@dataclass(frozen=True)
class _CaseResults:
    """The outcome of comparing a mutant's cases with the contract: a result, or else findings that do not name the
    fault, and why AWS refuses the mutant."""

    result: Result | None
    misplaced: tuple[Finding, ...] = ()
    refused: str = ""


def _changed_places(found: Deployed, change: Change) -> Iterator[Place | None]:
    """The places of the policies in which an entity differs and of their statements; a missing statement is reported
    there."""
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
    """The touched statements and their resource, at whose place narrower policies are reported."""
    found = traces_of(mutant)
    document, file = read(mutant.template), shown(mutant.template)
    whole = tuple((file, document.lines(*path[:2])) for path in mutant.touched if path[:1] == ("Resources",))
    # A refusal of CloudFormation names the parameter.
    refused = [f"Parameter {quoted}" for key in mutant.site for quoted in (f"'{key}'", f"{key} failed")]
    # A refusal of IAM names the resource.
    refused += [text for key in mutant.site[1:2] for text in (f"resource {key}: ", f"dependencies [{key}]")]
    return replace(found, lines=(*found.lines, *whole), names=(*found.names, *refused))


def _as_finding(contract: Contract, found: Excess) -> Finding:
    return Finding(contract.grant, "no parameter that is left open gives more", "unverified", found.detail, found.place)
