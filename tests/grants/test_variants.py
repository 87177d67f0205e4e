"""Every combination of a grant's options: what each part of it then says, and who gets in on the wire.

Combinations are worked out from the templates, not deployed, which takes a thousandth of the time; each variant is also
deployed, and has to be what was worked out.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial
from itertools import combinations
from typing import Any

from test_access import aimed, client, is_refusal, method_name, operations_of, refusal, resources, through_services

from grantproof.aws import parameters, people
from grantproof.aws.deploy import DeploymentFailed, deploy
from grantproof.aws.deployed import Deployed
from grantproof.aws.space import Part, Space, is_meant, options, places
from grantproof.aws.stage import Stage
from grantproof.aws.synthesis import Refused, synthesise
from grantproof.aws.synthesised import Synthesised
from grantproof.contract import Contract, DeclaredPrincipal, DeclaredStatement, Variant, load
from grantproof.evidence.finding import digest
from grantproof.iam import Layers, Policy, PolicyType, Statement, parse_policy
from grantproof.iam.compare import Verdict, compare
from grantproof.iam.comparisons import request_as_dict
from grantproof.iam.cover import NotPlain, uncovered
from grantproof.source import read, shown
from grantproof.variants import Incompatible, with_variants


@cache
def _space(path: Any) -> Space:
    return Space(load(path))


def named(chosen: Iterable[Variant]) -> str:
    return " + ".join(variant.alias for variant in chosen) or "no variant"


@dataclass
class Noted:
    """Findings under many combinations: each is told once, with the first combination that shows it."""

    verdict: Any
    found: dict[tuple[str, str, str], _Seen] = field(default_factory=dict)
    under: str = ""

    def broken(self, clause: str, detail: str, place: str, **shown: Any) -> None:
        """As a verdict's; `shown` is that of the first combination."""
        seen = self.found.setdefault((clause, detail, place), _Seen("broken", shown))
        seen.under.append(self.under)

    def unverified(self, clause: str, detail: str, place: str) -> None:
        """As a verdict's: nobody can accept what could not be judged."""
        self.found.setdefault((clause, detail, place), _Seen("unverified", {})).under.append(self.under)

    def tell(self) -> None:
        for (clause, detail, place), seen in self.found.items():
            more = f" and {len(seen.under) - 1} more combinations" if len(seen.under) > 1 else ""
            say = self.verdict.broken if seen.kind == "broken" else self.verdict.unverified
            say(clause, f"with {seen.under[0]}{more}: {detail}", place=place, covers=digest(seen.under), **seen.shown)


@dataclass
class _Seen:
    kind: str
    shown: dict[str, Any]
    under: list[str] = field(default_factory=list)


# --- nothing is left out ----------------------------------------------------------------------------------------------


def test_every_option_has_a_variant(grant: Contract, accounted: bool, verdict: Any) -> None:
    """A parameter that may be left alone changes something when it is not; a contract that does not say what has not
    been verified."""
    for stack in (*grant.stacks, *grant.additions.stacks):
        document = read(stack.template)
        for option in options(document.value):
            given = {stack.parameters.get(option.parameter, option.values[0])}
            given |= {v.parameters.get(stack.alias, {}).get(option.parameter, option.values[0]) for v in grant.variants}
            missing = [value for value in option.values if value not in given]
            wanted = " or ".join(map(repr, missing)) or "a value"
            if missing or given == {""}:
                verdict.unverified(
                    f"every option of stack {stack.alias} is verified",
                    f"no variant of the contract gives {option.parameter} {wanted}",
                    place=str(document.place("Parameters", option.parameter)),
                )


def test_every_condition_is_seen_true_and_false(grant: Contract, accounted: bool, verdict: Any) -> None:
    """What a template does under a condition that no combination meets was not looked at."""
    if not any(read(template).value.get("Conditions") for template in grant.templates):
        return
    truths: dict[tuple[Any, str], set[bool]] = {}
    space = _space(grant.path)
    for region in places(grant):
        for part in space.parts:
            for chosen in space.combinations(part):
                found = space.seen(chosen, region)
                for path, conditions in {} if isinstance(found, Refused) else found.conditions.items():
                    for name, truth in conditions.items():
                        truths.setdefault((path, name), set()).add(truth)
    for (path, name), both in truths.items():
        if len(both) == 1:
            template = space.template(path)
            verdict.unverified(
                "every branch of the templates is verified",
                f"condition {name} is {both.pop()} under every combination of the contract's variants; add one that "
                "makes it otherwise",
                place=str(read(template).place("Conditions", name)),
            )


# --- every combination ------------------------------------------------------------------------------------------------


def test_a_part_is_what_the_contract_says_in_every_combination(grant: Contract, part: Part, verdict: Any) -> None:
    """And in every place where the templates' conditions turn on the place. A combination that the contract excludes is
    refused, by the parent stack, before anything exists."""
    noted = Noted(verdict)
    for region in places(grant):
        for chosen in _space(grant.path).combinations(part):
            noted.under = f"{named(chosen)} in {region}"
            if (view := _view(grant, chosen, region, noted)) is not None:
                _compare(view, part, noted)
                verdict.proves()
    noted.tell()


def _view(grant: Contract, chosen: Sequence[Variant], region: str, noted: Noted) -> Deployed | None:
    clause, place = "combinations of options are refused as the contract says", shown(grant.path)
    try:
        found = _space(grant.path).seen(chosen, region)
    except Incompatible as error:
        if is_meant(chosen):
            noted.broken(clause, f"the variants contradict each other, and exclude each other nowhere: {error}", place)
        return None
    if isinstance(found, Refused):
        if is_meant(chosen):
            noted.broken(clause, f"CloudFormation refuses it, and the contract does not: {found}", place)
        elif len(found.stack) > 1:
            noted.broken(clause, f"only a nested stack refuses it, when others exist already: {found}", place)
        return None
    if not is_meant(chosen):
        noted.broken(clause, "it can be deployed, and the contract says that it is refused", place)
        return None
    partition, _ = parameters.partition_of(region)
    varied = with_variants(grant, [variant.alias for variant in chosen])
    return Synthesised(replace(varied, region=region, partition=partition), found)


def _compare(view: Deployed, part: Part, noted: Noted) -> None:
    kind, alias = part[:2]
    for principal in view.contract.principals:
        held = view.held(principal) if principal.kind != "policy" else None
        arn = held.arn if held else view.resolved(principal.reference)
        place = str(view.origins.place(arn) or principal.place)
        where = view.located(arn)
        if where is None:
            noted.broken(f"the {principal.kind} {principal.alias} is deployed", f"no {arn} is deployed", place)
        elif kind == "trust" and held is not None and held.trust is not None and where == part[1:]:
            promised = _policy(view, principal.trust, PolicyType.TRUST)
            _both_ways(view, noted, principal, (held.trust,), promised, "is entered")
        elif kind == "limits" and held is not None and where == part[1:]:
            _limits(view, noted, principal, held.max_session, place)
        elif kind == "policies" and where[0] == alias:
            promised = _policy(view, principal.allows, PolicyType.IDENTITY)
            _both_ways(view, noted, principal, view.identity_policies(principal), promised, "may do")
            if held is not None and held.boundary is not None:
                cut = compare(Layers(identity=(promised,)), Layers(identity=(promised,), boundary=held.boundary))
                clause = f"{principal.alias} may do exactly as the contract says"
                for difference in cut.lost_access:
                    noted.broken(clause, f"its boundary does not let it do {difference.clause}", place)
                if cut.verdict is not Verdict.EQUAL and not cut.lost_access:
                    noted.unverified(clause, f"what its boundary cuts off cannot be said: {cut.reason}", place)
    if kind == "policies":
        _resources(view, noted)
        _came_along(view, noted)


def _policy(view: Deployed, statements: tuple[DeclaredStatement, ...], type_: PolicyType) -> Policy:
    document = {"Version": "2012-10-17", "Statement": [view.resolved(s.document) for s in statements]}
    return parse_policy(document, type_, "contract")


def _both_ways(
    view: Deployed, noted: Noted, principal: Any, real: tuple[Policy, ...], promised: Policy, what: str
) -> None:
    """Statement by statement, which is quick; where that finds anything, the exact comparison has the last word."""
    try:
        if not uncovered(real, (promised,)) and not uncovered((promised,), real):
            return
    except NotPlain:
        pass  # a Not form, of which only the exact comparison can speak
    clause = f"{principal.alias} {what} exactly as the contract says"
    place = str(view.origins.place(real[0].label) or principal.place) if real else str(principal.place)
    found = compare(_layers((promised,), what), _layers(real, what))
    if found.verdict is Verdict.UNDETERMINED or found.depends_on:
        why = found.reason or f"it depends on the open points {', '.join(found.depends_on)}"
        noted.unverified(clause, f"cannot be compared: {why}", place)
    for difference in found.new_access:
        cited = next((c for c in difference.because if c.policy != "everything"), None)
        where = view.origins.place(cited.policy, cited.statement) if cited is not None else None
        name = "" if cited is None else f"Sid {cited.sid}" if cited.sid else f"Statement[{cited.statement}]"
        witness = request_as_dict(difference.witness)
        detail = f"wider than the contract: {difference.clause}"
        noted.broken(clause, detail, str(where or place), statement=name, witness=witness)
    for difference in found.lost_access:
        detail = f"narrower than the contract, which promises {difference.clause}"
        noted.broken(clause, detail, place, witness=request_as_dict(difference.witness))


def _layers(policies: tuple[Policy, ...], what: str) -> Layers:
    if what == "may do":
        return Layers(identity=policies)
    return Layers(identity=(parse_policy(_EVERYTHING, PolicyType.IDENTITY, "everything"),), resource=policies[0])


def _limits(view: Deployed, noted: Noted, principal: DeclaredPrincipal, longest: int, place: str) -> None:
    clause = f"{principal.alias} has the limits of the contract"
    if longest != principal.max_session:
        noted.broken(clause, f"MaxSessionDuration is {longest}; the contract's is {principal.max_session}", place)
    held = view.held(principal)
    real = held.boundary[0].label if held is not None and held.boundary else None
    boundary = view.contract.principal(principal.boundary).reference if principal.boundary else None
    if real != view.resolved(boundary):
        noted.broken(clause, f"its permissions boundary is {real}; the contract's is {view.resolved(boundary)}", place)


def _resources(view: Deployed, noted: Noted) -> None:
    for resource in view.contract.resources:
        real = view.resource_policy(resource)
        if real is None:
            noted.broken(
                f"{resource.alias} says exactly what the contract says", "there is no such policy", str(resource.place)
            )
        else:
            _both_ways(view, noted, resource, (real,), _policy(view, resource.policy, real.type), "says")


def _came_along(view: Deployed, noted: Noted) -> None:
    declared = {view.resolved(p.reference) for p in view.contract.principals}
    declared |= {view.resolved(resource.reference) for resource in view.contract.resources}
    clause = "the stacks create what the contract declares, and nothing else"
    for arn in (*view.policies.held, *view.policies.managed, *view.policies.resource_policies):
        known = {arn, arn.rsplit("/", 1)[1]} if "/" in arn else {arn}
        made = arn in view.policies.resource_policies or view.origins.resource(arn) is not None
        if made and not known & declared:
            place = str(view.origins.place(arn) or shown(view.contract.path))
            noted.broken(clause, f"{arn} is not declared", place)


def test_every_condition_is_load_bearing(grant: Contract, accounted: bool, verdict: Any) -> None:
    """Without it, some request that was denied becomes allowed (or, in a Deny, the other way): with each condition
    taken out of the policies in turn, the exact comparison finds such a request. A condition that holds for every
    request protects from nothing and looks as if it did."""
    noted = Noted(verdict)
    space = _space(grant.path)
    for gathering in ((), *space.gatherings()):
        noted.under = named(gathering)
        view = _view(grant, gathering, grant.region, noted)
        for kind, policy in _policies_of(view) if view is not None else ():
            for statement in policy.statements:
                for test in statement.conditions:
                    _bears(view, noted, kind, policy, statement, test)
                    verdict.proves()
    noted.tell()


def _policies_of(view: Deployed) -> Iterator[tuple[str, Policy]]:
    seen: set[str] = set()
    for held in view.policies.held.values():
        found = [("identity", policy) for policy in (*held.identity, *(held.boundary or ()))]
        for kind, policy in [*found, *([("resource", held.trust)] if held.trust else [])]:
            if policy.label not in seen:
                seen.add(policy.label)
                yield kind, policy
    yield from (("identity", p) for label, p in view.policies.managed.items() if label not in seen)
    yield from (("resource", policy) for policy in view.policies.resource_policies.values())


_EVERYTHING = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}


def _bears(view: Any, noted: Noted, kind: str, policy: Policy, statement: Statement, test: Any) -> None:
    others = tuple(other for other in statement.conditions if other is not test)
    without = replace(
        policy,
        statements=tuple(replace(s, conditions=others) if s is statement else s for s in policy.statements),
    )
    everything = parse_policy(_EVERYTHING, PolicyType.IDENTITY, "everything")

    def layers(chosen: Policy) -> Layers:
        if kind == "resource":
            return Layers(identity=(everything,), resource=chosen)
        # A Deny is seen beside what it denies.
        return Layers(identity=(chosen,) if statement.allow else (chosen, everything))

    found = compare(layers(policy), layers(without))
    differs = found.new_access if statement.allow else found.lost_access
    place = str(view.origins.place(policy.label, statement.index) or shown(view.contract.path))
    clause = "every condition of the policies protects from something"
    if found.verdict is Verdict.EQUAL:
        noted.broken(clause, f"{test} holds for every request: without it the policy allows the same", place)
    elif not differs:
        noted.unverified(clause, f"{test} may change nothing: {found.reason or found.verdict.value}", place)


# --- on the wire ------------------------------------------------------------------------------------------------------


def test_what_is_deployed_is_what_was_worked_out(
    grant: Contract, gathering: tuple[Variant, ...], varied: Stage, verdict: Any
) -> None:
    """Entity by entity, document by document, as moto's CloudFormation made them and as the combinations were seen."""
    resources_ = [(stack.alias, r) for stack in varied.deployment.stacks for r in stack.resources]
    physical = {(alias, *resource.path): resource.physical_id for alias, resource in resources_}
    worked_out = synthesise(varied.contract, physical=physical)
    real = _documents(varied, {number: snapshot.as_dict() for number, snapshot in varied.snapshots().items()})
    expected = _documents(varied, {number: snapshot.as_dict() for number, snapshot in worked_out.snapshots.items()})
    for what in sorted({*real, *expected}):
        if real.get(what) != expected.get(what):
            verdict.unverified(
                "what is deployed is what was worked out from the templates",
                f"with {named(gathering)}: {what} is {real.get(what)} deployed and {expected.get(what)} worked out",
                place=shown(grant.path),
            )


def _documents(stage: Stage, accounts: Mapping[str, Any]) -> dict[str, str]:
    out = {}
    for account in accounts.values():
        for kind in ("RoleDetailList", "GroupDetailList", "UserDetailList"):
            for entity in account[kind]:
                if stage.origins.resource(entity["Arn"]) is not None:
                    for key, value in entity.items():
                        if key in _ACCESS and (value or key not in _LISTS):
                            out[f"{key} of {entity['Arn']}"] = json.dumps(_plain(key, value), sort_keys=True)
        for policy in account["Policies"]:
            if stage.origins.resource(policy["Arn"]) is not None:
                out[policy["Arn"]] = json.dumps(policy["PolicyVersionList"][0]["Document"], sort_keys=True)
        for entry in account["ResourcePolicies"]:
            out[f"policy of {entry['Arn']}"] = json.dumps(entry["Policy"], sort_keys=True)
    return out


_LISTS = ("RolePolicyList", "GroupPolicyList", "UserPolicyList", "AttachedManagedPolicies", "GroupList")
_ACCESS = (*_LISTS, "Path", "AssumeRolePolicyDocument", "MaxSessionDuration", "PermissionsBoundary")


def _plain(key: str, value: Any) -> Any:
    """Without what says nothing about access: names beside ARNs, the order of attachments."""
    if key == "AttachedManagedPolicies":
        return sorted(entry["PolicyArn"] for entry in value)
    return value["PermissionsBoundaryArn"] if key == "PermissionsBoundary" else value


def test_the_right_callers_enter_and_the_wrong_ones_do_not(
    grant: Contract, gathering: tuple[Variant, ...], varied: Stage, verdict: Any
) -> None:
    """Each thing that the variants ask for is tried right, wrong and missing, by callers who bring everything else."""
    for role in varied.contract.principals:
        if role.kind != "role" or not any("Condition" in statement.document for statement in role.trust):
            continue
        arn, place = varied.resolved(role.reference), str(role.place)
        for comer in varied.comers(role):
            if (error := refusal(partial(people.enter, varied, arn, comer))) is not None:
                verdict.broken(f"{role.alias} is entered", f"{comer.who} is refused: {error}", place=place)
        for comer in people.unwelcome(varied, role):
            error = refusal(partial(people.enter, varied, arn, comer))
            if not is_refusal(error, "sts", "query"):
                verdict.broken(
                    f"{role.alias} is entered only with all that {named(gathering)} asks for",
                    f"{comer.who} got {'in' if error is None else error}",
                    place=place,
                )
        for comer in people.made_again(varied, role):
            if (error := refusal(partial(people.enter, varied, arn, comer))) is not None:
                verdict.broken(f"{role.alias} is entered", f"{comer.who} is refused: {error}", place=place)


def test_what_the_variants_add_can_be_used(
    grant: Contract, gathering: tuple[Variant, ...], varied: Stage, verdict: Any
) -> None:
    """Every operation of the statements that they add to a role, on its resources; decryption as the service that it
    goes through does it."""
    for variant in gathering:
        for alias, change in variant.changes.items():
            principal = varied.contract.principal(alias)
            if change.allows is None or principal.kind != "role":
                continue
            session = varied.member(principal)
            for statement in change.allows.adds:
                for note, call in _uses(varied, session, statement):
                    if (error := refusal(call)) is not None:
                        clause = f"{alias} may do what {variant.alias} adds"
                        verdict.broken(clause, f"{note}: {error}", place=str(statement.place))


def _uses(stage: Stage, session: Any, statement: DeclaredStatement) -> Iterator[tuple[str, Any]]:
    yield from through_services(stage, session, statement)
    if "Condition" in statement.document:
        return
    for resource in resources(stage.resolved(statement.document)):
        for service, operation in operations_of(session, statement):
            params = aimed(stage, session, service, operation, resource)
            if params is not None:
                caller = client(stage, session, service)
                yield (
                    f"{service}:{operation} on {resource}",
                    partial(getattr(caller, method_name(caller, operation)), **params),
                )


def test_combinations_that_are_excluded_are_refused_on_the_wire(
    grant: Contract, accounted: bool, deploy: Any, verdict: Any
) -> None:
    """By CreateStack, with nothing left behind; each pair once, and each variant without what it needs."""
    pairs = [pair for pair in combinations(grant.variants, 2) if pair[1].alias in pair[0].excludes]
    alone = [(variant,) for variant in grant.variants if variant.needs]
    if not pairs and not alone:
        return
    stage = deploy(grant)
    for number, refused in enumerate((*pairs, *alone)):
        needs = {a for variant in refused for a in variant.needs} if len(refused) > 1 else set()
        varied = with_variants(grant, {*(variant.alias for variant in refused), *needs})
        if (error := _refused_by_cloudformation(stage, varied, f"refused-{number}")) is not None:
            verdict.broken("excluded combinations are refused", f"{named(refused)}: {error}", place=shown(grant.path))


def _refused_by_cloudformation(stage: Stage, varied: Contract, name: str) -> str | None:
    """Deploy the stacks again beside those that stand, under names of their own; None where one is refused."""
    stacks = tuple(replace(stack, name=f"{stack.name}-{name}") for stack in varied.stacks)
    before = {number: len(snapshot.roles) for number, snapshot in stage.snapshots().items()}
    try:
        deploy(stage.world, replace(varied, stacks=stacks), prepared=True)
    except DeploymentFailed as error:
        if "rule" not in str(error) and "constraint" not in str(error):
            return str(error)
        after = {number: len(snapshot.roles) for number, snapshot in stage.snapshots().items()}
        return None if before == after else "refused, but a role was created"
    return "was deployed"
