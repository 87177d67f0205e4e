"""Every combination of a grant's options: what each part of the grant then allows, and who can assume its roles.

Combinations are synthesised from the templates, which takes a thousandth of the time of a deployment. Each variant is
also deployed, and has to equal its synthesis.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from itertools import combinations
from typing import Any

from test_access import (
    client,
    is_refusal,
    method_name,
    operations_of,
    parameters_acting_on,
    refusal,
    resources,
    through_services,
)
from test_deployment import report_freely_written, report_missing

from grantproof.aws.combinations.combined import (
    CombinedFindings,
    combination_name,
    compare_part,
    note_unknown_access,
    synthesised_under,
)
from grantproof.aws.combinations.dependencies import Part
from grantproof.aws.combinations.excess import excess
from grantproof.aws.combinations.idle_conditions import idle_conditions
from grantproof.aws.combinations.regions_to_check import regions_to_check
from grantproof.aws.combinations.space import space_of
from grantproof.aws.mocked.deploy import DeploymentFailed, deploy
from grantproof.aws.staged import attempts
from grantproof.aws.staged.stage import Stage
from grantproof.aws.synthesis.stacks import Refused, synthesise
from grantproof.aws.templates.options import options
from grantproof.aws.templates.rules import refuses
from grantproof.contract import Contract, DeclaredStatement, Variant
from grantproof.evidence.finding import digest
from grantproof.source import read, shown
from grantproof.variants import with_variants


def _tell(verdict: Any, noted: CombinedFindings) -> None:
    """Report each finding once, with the first combination that shows it."""
    for (clause, detail, place), seen in noted.found.items():
        more = f" and {len(seen.under) - 1} more combinations" if len(seen.under) > 1 else ""
        say = verdict.broken if seen.kind == "broken" else verdict.unverified
        covers = digest([seen.under, seen.covers])
        say(clause, f"with {seen.under[0]}{more}: {detail}", place=place, covers=covers, **seen.shown)


# --- nothing is left out ----------------------------------------------------------------------------------------------


def test_every_option_has_a_variant(grant: Contract, accounted: bool, verdict: Any) -> None:
    """An optional parameter changes something if it is set. If the contract does not say what, it has not been
    verified."""
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
    """What a template does under a condition that is true in no combination was not examined."""
    if not any(read(template).value.get("Conditions") for template in grant.templates):
        return
    truths: dict[tuple[Any, str], set[bool]] = {}
    space = space_of(grant)
    for region in regions_to_check(grant):
        for part in space.parts:
            for chosen in space.combinations(part):
                found = space.synthesised(chosen, region)
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


def test_every_rule_refuses_something(grant: Contract, accounted: bool, verdict: Any) -> None:
    """A rule of a template that no values violate refuses nothing, although it looks as if it did."""
    for template in grant.templates:
        document = read(template)
        for name in document.value.get("Rules") or {}:
            if not refuses(grant, template, name):
                verdict.unverified(
                    "every rule of the templates refuses something",
                    f"no values of its parameters were found that rule {name} refuses",
                    place=str(document.place("Rules", name)),
                )


# --- every combination ------------------------------------------------------------------------------------------------


def test_a_part_is_what_the_contract_says_in_every_combination(grant: Contract, part: Part, verdict: Any) -> None:
    """Also in every region on which the templates' conditions depend. A combination that the contract excludes is
    refused by the parent stack, before anything is created."""
    noted, space = CombinedFindings(), space_of(grant)
    for region in regions_to_check(grant):
        for chosen in space.combinations(part):
            noted.under = f"{combination_name(chosen)} in {region}"
            if (found := synthesised_under(space, chosen, region, noted)) is not None:
                compare_part(found, part, noted)
                if part[0] == "policies":
                    note_unknown_access(space, found, noted)
                verdict.proves()
    _tell(verdict, noted)


def test_every_condition_is_load_bearing(grant: Contract, world: Stage, verdict: Any) -> None:
    """If any one condition is removed from the policies, some request that was denied becomes allowed. A condition that
    is true for every request restricts nothing, although it looks as if it did."""
    noted, space = CombinedFindings(), space_of(grant)
    for combination in ((), *(space.covering_combinations() if grant.variants else ())):
        noted.under = combination_name(combination)
        found = world if not combination else synthesised_under(space, combination, grant.region, noted)
        if found is not None:
            verdict.proves(idle_conditions(found, noted))
    _tell(verdict, noted)


# --- what is left open ------------------------------------------------------------------------------------------------


def test_what_the_contract_leaves_open_gives_nobody_more(grant: Contract, verdict: Any) -> None:
    """For all other values that a template accepts for its parameters, and in all regions on which its conditions
    depend, nobody has more access than the contract says; otherwise the contract has to say what changes."""
    for found in excess(grant):
        verdict.unverified("no parameter that is left open gives more", found.detail, place=found.place)


# --- on the wire ------------------------------------------------------------------------------------------------------


def test_what_is_deployed_is_what_was_worked_out(
    grant: Contract, combination: tuple[Variant, ...], varied: Stage, verdict: Any
) -> None:
    """Each entity and document, as moto's CloudFormation creates it and as it was synthesised."""
    resources_ = [(stack.alias, r) for stack in varied.deployment.stacks for r in stack.resources]
    physical = {(alias, *resource.path): resource.physical_id for alias, resource in resources_}
    worked_out = synthesise(varied.contract, physical=physical)
    real = _documents(varied, {number: snapshot.as_dict() for number, snapshot in varied.snapshots().items()})
    expected = _documents(varied, {number: snapshot.as_dict() for number, snapshot in worked_out.snapshots.items()})
    under = f"with {combination_name(combination)}: "
    for what in sorted({*real, *expected}):
        if real.get(what) != expected.get(what):
            verdict.unverified(
                "what is deployed is what was worked out from the templates",
                f"{under}{what} is {real.get(what)} deployed and {expected.get(what)} worked out",
                place=shown(grant.path),
            )
    # Resources that are missing without variants too are reported by the deployment suite.
    base = {(stack.alias, *r.path) for stack in space_of(grant).base.deployment.stacks for r in stack.resources}
    for stack in varied.deployment.stacks:
        report_freely_written(verdict, varied, stack, f"stack {stack.alias} has its outputs", under)
        for missing in stack.missing:
            if (stack.alias, *missing.path) not in base:
                clause = f"stack {stack.alias} is deployed whole"
                report_missing(verdict, stack, missing, clause, shown(grant.path), under)


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
    """Without what does not concern access: names next to ARNs, the order of attachments."""
    if key == "AttachedManagedPolicies":
        return sorted(entry["PolicyArn"] for entry in value)
    return value["PermissionsBoundaryArn"] if key == "PermissionsBoundary" else value


def test_the_right_callers_enter_and_the_wrong_ones_do_not(
    grant: Contract, combination: tuple[Variant, ...], varied: Stage, verdict: Any
) -> None:
    """Each requirement of the variants is tried right, wrong and missing, by callers who meet all others."""
    for role in varied.contract.principals:
        if role.kind != "role" or not any("Condition" in statement.document for statement in role.trust):
            continue
        arn, place = varied.holder(role).arn, str(role.place)
        for attempt in varied.attempts(role):
            if (error := refusal(partial(attempts.enter, varied, arn, attempt))) is not None:
                verdict.broken(f"{role.alias} is entered", f"{attempt.who} is refused: {error}", place=place)
        for attempt in attempts.invalid_attempts(varied, role):
            error = refusal(partial(attempts.enter, varied, arn, attempt))
            if not is_refusal(error, "sts", "query"):
                verdict.broken(
                    f"{role.alias} is entered only with all that {combination_name(combination)} asks for",
                    f"{attempt.who} got {'in' if error is None else error}",
                    place=place,
                )
        for attempt in attempts.recreated_role_attempts(varied, role):
            if (error := refusal(partial(attempts.enter, varied, arn, attempt))) is not None:
                verdict.broken(f"{role.alias} is entered", f"{attempt.who} is refused: {error}", place=place)


def test_what_the_variants_add_can_be_used(
    grant: Contract, combination: tuple[Variant, ...], varied: Stage, verdict: Any
) -> None:
    """Every operation of the statements that they add to a role, on its resources; decryption through the service that
    uses the key."""
    for variant in combination:
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
        for service, operation in operations_of(statement):
            params = parameters_acting_on(stage, session, service, operation, resource)
            if params is not None:
                caller = client(stage, session, service)
                yield (
                    f"{service}:{operation} on {resource}",
                    partial(getattr(caller, method_name(caller, operation)), **params),
                )


def test_combinations_that_are_excluded_are_refused_on_the_wire(
    grant: Contract, accounted: bool, deploy: Any, verdict: Any
) -> None:
    """By CreateStack, and nothing is left behind: each excluded pair once, and each variant without what it needs."""
    pairs = [pair for pair in combinations(grant.variants, 2) if pair[1].alias in pair[0].excludes]
    alone = [(variant,) for variant in grant.variants if variant.needs]
    if not pairs and not alone:
        return
    stage = deploy(grant)
    for number, refused in enumerate((*pairs, *alone)):
        needs = {a for variant in refused for a in variant.needs} if len(refused) > 1 else set()
        varied = with_variants(grant, {*(variant.alias for variant in refused), *needs})
        if (error := _refused_by_cloudformation(stage, varied, f"refused-{number}")) is not None:
            detail = f"{combination_name(refused)}: {error}"
            verdict.broken("excluded combinations are refused", detail, place=shown(grant.path))


def _refused_by_cloudformation(stage: Stage, varied: Contract, name: str) -> str | None:
    """Deploy the stacks again next to the existing ones, under other names. Returns what is wrong; None if one is
    refused and nothing is created."""
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
