"""Plans the calls to try against real accounts, and whether the contract allows each. Nothing is called here.

No planned call can change anything, even where it is wrongly allowed: AssumeRole (which leaves only credentials that
expire), reads, and EC2 calls with `DryRun`. Writes are proved over the snapshots and not tried.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from grantproof.aws.calls.harmless import Models
from grantproof.aws.held.policies import Held
from grantproof.aws.real.recorded import Recorded
from grantproof.aws.real.trial import Draft, Plan, Trial
from grantproof.aws.real.trials_inside import Session, common_context, try_statements
from grantproof.contract import DeclaredPrincipal, DeclaredStatement
from grantproof.iam import EVERYTHING, IamError, Layers, Policy, PolicyType, Request, evaluate, parse_principal
from grantproof.iam.satisfy import added, satisfying


def planned(world: Recorded, callers: Mapping[str, str], models: Models) -> Plan:
    """The plan of the calls for one contract.

    Args:
        callers: the ARN of the identity behind each profile, by the alias of its account.
        models: botocore's model of a service, by name.
    """
    draft = Draft()
    for role in (p for p in world.contract.principals if p.kind == "role"):
        _enter(world, role, callers, models, draft)
    for alias, arn in callers.items():
        held = _held(world, arn)
        for principal in world.contract.principals:
            if held is not None and principal.kind != "policy" and _acts_as(world, held, principal):
                try_statements(Session(world, principal, alias, "", arn, models), draft)
    if not draft.trials and not draft.unanswered:
        why = "; ".join(draft.left_out) or "the contract has nothing that can be tried without danger"
        draft.unanswered.append((_question(world, "calls can be tried", "*", str(world.contract.path)), why))
    return Plan(tuple(draft.trials), tuple(draft.left_out), tuple(draft.unanswered))


def _question(world: Recorded, name: str, resource: str, place: str) -> Trial:
    """A trial that has to be made and for which there is no caller."""
    return Trial(
        grant=world.contract.grant,
        name=name,
        profile="",
        role="",
        service="sts",
        operation="AssumeRole",
        params={},
        resource=resource,
        allowed=True,
        place=place,
    )


def _held(world: Recorded, arn: str) -> Held | None:
    """The user or role of a profile with its policies; None where the snapshot does not have it. A session's ARN has
    the role's name without its path."""
    principal = parse_principal(arn)
    if principal.arn and ":assumed-role/" in arn:
        account, name = principal.account, arn.split("/")[1]
        return next(
            (h for a, h in world.policies.held.items() if h.kind == "role" and a.split(":")[4] == account
             and a.rsplit("/", 1)[1] == name), None
        )  # fmt: skip
    return world.policies.held.get(arn)


def _acts_as(world: Recorded, held: Held, principal: DeclaredPrincipal) -> bool:
    """Is this user or role the declared principal, or a member of it where that is a group?"""
    declared = world.held(principal)
    return declared is not None and declared.arn in (held.arn, *held.groups)


def _enter(world: Recorded, role: DeclaredPrincipal, callers: Mapping[str, str], models: Models, draft: Draft) -> None:
    """Plan AssumeRole with every profile, permitted or not, and with a wrong external id."""
    held = world.held(role)
    if held is None:
        draft.unanswered.append(
            (_question(world, f"{role.alias} is entered", "*", str(role.place)), "it is not deployed")
        )
        return
    entered, before = False, len(draft.left_out)
    for alias, arn in callers.items():
        found = _entry(world, role, held.arn, alias, arn)
        if isinstance(found, str):
            draft.left_out.append(found)
            continue
        # One session is enough: what the role may do does not depend on its caller.
        enters = role.alias if found[0].allowed and not entered else ""
        for number, trial in enumerate(found):
            draft.add(replace(trial, enters=enters if number == 0 else ""))
        if enters:
            entered = True
            session = f"arn:{world.contract.partition}:sts::{held.arn.split(':')[4]}:assumed-role/"
            session += f"{held.arn.rsplit('/', 1)[1]}/{SESSION}"
            try_statements(Session(world, role, alias, role.alias, session, models), draft)
    if entered:
        return
    if not any(_names_accounts(world, statement) for statement in role.trust):
        draft.left_out.append(f"{role.alias} is for services and identity providers, whom no profile can be")
        return
    why = "; ".join(draft.left_out[before:]) or "none of the profiles may enter it"
    question = _question(world, f"{role.alias} is entered with one of the profiles", held.arn, str(role.place))
    draft.unanswered.append((question, f"{why}. Name a profile of one who may: --try-calls ALIAS=PROFILE"))


def _names_accounts(world: Recorded, statement: DeclaredStatement) -> bool:
    """Does a statement of a trust policy allow users or roles, unlike services and identity providers?"""
    (parsed,) = world.promised([statement], PolicyType.TRUST).statements
    element = parsed.principals
    return parsed.allow and (element is None or element.everyone or bool(element.accounts or element.arns))


#: RoleSessionName of all trials, as it appears in CloudTrail.
SESSION = "grantproof"
_PASSED = {"sts:externalid": "ExternalId", "sts:sourceidentity": "SourceIdentity", "sts:rolesessionname": ""}


def _entry(world: Recorded, role: DeclaredPrincipal, arn: str, alias: str, caller: str) -> list[Trial] | str:
    """The AssumeRole trials of one caller; or, as text, why there are none."""
    who, held = parse_principal(caller), _held(world, caller)
    principal = parse_principal(caller, held.arn) if held is not None and held.kind == "role" else who
    trust = world.promised(role.trust, PolicyType.TRUST)
    asked = Request(principal, "sts:AssumeRole", arn, arn.split(":")[4], common_context(world))
    said = f"entering {role.alias} with the profile of {alias} is not tried: "
    try:
        candidates = _meeting_conditions(asked, trust)
        let_in = [w for w in candidates if evaluate(w, Layers(identity=(EVERYTHING,), resource=trust)).allowed]
        if held is None and let_in:
            return f"{said}{caller} is not in the snapshot"
        own = Layers(identity=held.identity, boundary=held.boundary, resource=trust) if held else Layers(resource=trust)
        may = next((w for w in let_in if evaluate(w, own).allowed), None)
    except IamError as error:
        return f"{said}{error}"
    if let_in and may is None:
        return f"{said}{caller} has no permission of its own to do so"
    met = may or asked
    brought = {key.lower(): values[0] for key, values in added(asked, met).items() if values}
    params = {"RoleArn": arn, "RoleSessionName": brought.get("sts:rolesessionname", SESSION), "DurationSeconds": 900}
    params |= {_PASSED[key]: value for key, value in brought.items() if _PASSED.get(key)}
    needs = ", ".join(f"{key}={value}" for key, value in brought.items() if key not in _PASSED)
    enters = f"{alias} {'enters' if may else 'does not enter'} {role.alias}"
    base = Trial(world.contract.grant, enters, alias, "", "sts", "AssumeRole", params, arn, may is not None,
                 str(role.place), needs=needs)  # fmt: skip
    return [base, *_with_wrong_external_id(base, met, trust)]


def _meeting_conditions(asked: Request, trust: Policy) -> list[Request]:
    """The request as it is, and for each Allow statement with conditions a request that meets them, if one is found."""
    found = [asked]
    for statement in trust.statements:
        if statement.allow and statement.conditions and (met := satisfying(statement.conditions, asked)) is not None:
            found.append(met)
    return found


def _with_wrong_external_id(base: Trial, met: Request, trust: Policy) -> Iterator[Trial]:
    """The same trial without the external id that the contract requires, and with another one."""
    if "ExternalId" not in base.params:
        return
    right = str(base.params["ExternalId"])
    for note, wrong in (("without its external id", None), ("with another external id", f"{right}0")):
        context = {key: values for key, values in met.context.items() if key.lower() != "sts:externalid"}
        context |= {"sts:ExternalId": (wrong,)} if wrong else {}
        if evaluate(replace(met, context=context), Layers(identity=(EVERYTHING,), resource=trust)).allowed:
            continue
        params = {key: value for key, value in base.params.items() if key != "ExternalId"}
        params |= {"ExternalId": wrong} if wrong else {}
        name = base.name.replace(" enters ", " does not enter ") + f" {note}"
        yield replace(base, name=name, params=params, allowed=False, needs="")
