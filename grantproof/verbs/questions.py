"""`grantproof explain` and `grantproof who-can`: questions about a deployed grant."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from grantproof.verbs import BAD_USAGE, NOT_VERIFIED, UNDETERMINED, VERIFIED
from grantproof.verbs.pairs import pair
from grantproof.verbs.parsers import DIR_HELP, Commands, parser

if TYPE_CHECKING:
    from grantproof.aws.staged.stage import Stage
    from grantproof.contract import Contract


def add_explain(commands: Commands[argparse.ArgumentParser]) -> None:
    """Define the arguments of `explain`."""
    explain = parser(
        commands,
        "explain",
        summary="why a principal of a grant may or may not do something, and what would change that",
        about="Deploy a grant into mocked accounts and decide one request, layer by layer. Without RESOURCE: every "
        "resource that the contract names for the action.",
        statuses={0: "allowed", 1: "denied", 2: "a bad question", 3: "cannot be decided"},
        examples=[
            "templates/cross-account-ssm --as reader ssm:GetParameter",
            "grants/audit --as service:lambda.amazonaws.com sts:AssumeRole '${stacks.owner.outputs.RoleArn}'",
            "grants/audit --as root@partner s3:GetObject arn:aws:s3:::bucket/key --context aws:SecureTransport=true",
        ],
    )
    explain.add_argument("grant", metavar="GRANT", type=Path, help="folder with a contract.yaml")
    explain.add_argument(
        "--as",
        dest="who",
        metavar="PRINCIPAL",
        required=True,
        help="an alias of the contract, an ARN, root@ACCOUNT, service:NAME, federated:PROVIDER or '*'",
    )
    explain.add_argument("action", metavar="ACTION", help="service:Name")
    explain.add_argument("resource", metavar="RESOURCE", nargs="?", help="an ARN; may hold the contract's references")
    explain.add_argument(
        "--context", metavar="KEY=VALUE", action="append", default=[], help="a condition key that the request carries"
    )
    explain.set_defaults(run=_explain)


def _explain(options: argparse.Namespace) -> int:
    from grantproof.contract import ContractError, load

    if _is_mistyped("explain", options.action):
        return BAD_USAGE
    try:
        contract = load(options.grant)
    except ContractError as error:
        print(error, file=sys.stderr)
        return BAD_USAGE

    def ask(stage: Stage) -> int:
        from grantproof.aws.questions import answer_text, inquiry
        from grantproof.aws.questions.undeployed import Undeployed

        who = inquiry.caller(stage, options.who)
        context: dict[str, tuple[str, ...]] = {}
        for given in options.context:
            try:
                key, value = pair(given, "--context takes KEY=VALUE")
            except ValueError as error:
                raise inquiry.BadQuestion(str(error)) from None
            context[key] = (*context.get(key, ()), value)
        if options.resource is None and not context:
            answers = inquiry.on_resources(stage, who, options.action)
        else:
            asked = inquiry.request(stage, who, options.action, options.resource or "*", context)
            answers = (inquiry.explain(stage, who, asked),)
        for answer in answers:
            print(*answer_text.lines(stage, who, answer), sep="\n")
        undeployed = Undeployed.from_deployment(stage.deployment)
        if any(a.decision.depends_on or undeployed.unsettles(a.decision, a.request.action) for a in answers):
            return UNDETERMINED
        return VERIFIED if any(answer.decision.allowed for answer in answers) else NOT_VERIFIED

    return _on_stage("explain", contract, ask)


_ARN = "arn:PARTITION:SERVICE:REGION:ACCOUNT:NAME"


def _is_mistyped(command: str, action: str) -> bool:
    """Does the action not exist? Prints an error if so, before anything is deployed."""
    from grantproof.iam import actions

    if actions.exists(action):
        return False
    near = actions.nearest(action)
    hint = f". Did you mean {near}?" if near else "; write it as service:Name"
    print(f"grantproof {command}: there is no action {action!r}{hint}", file=sys.stderr)
    return True


def _on_stage(command: str, contract: Contract, ask: Callable[[Stage], int]) -> int:
    """Deploy a grant and ask the question on its stage; returns the exit status. Errors in the question are printed."""
    from grantproof.aws.held.policies import SnapshotIncomplete
    from grantproof.aws.mocked.deploy import DeploymentFailed
    from grantproof.aws.questions.inquiry import BadQuestion
    from grantproof.aws.questions.undeployed import Undeployed, named
    from grantproof.aws.staged.stage import Stage
    from grantproof.contract import UnknownFact
    from grantproof.iam import IamError
    from grantproof.source import shown

    try:
        stage = Stage(contract, partial=True)
        stage.open()
    except DeploymentFailed as error:
        print(error, file=sys.stderr)
        return BAD_USAGE
    missing = named(Undeployed.from_deployment(stage.deployment).resources)
    without = f" (not deployed: {missing})" if missing else ""
    try:
        return ask(stage)
    except (BadQuestion, UnknownFact) as error:
        where = f"{shown(contract.path.parent)}: " if isinstance(error, UnknownFact) else ""
        print(f"grantproof {command}: {where}{error}{without}", file=sys.stderr)
        return UNDETERMINED if missing else BAD_USAGE
    except (IamError, SnapshotIncomplete) as error:
        print(f"grantproof {command}: cannot be decided: {error}{without}", file=sys.stderr)
        return UNDETERMINED
    finally:
        stage.close()


def add_who_can(commands: Commands[argparse.ArgumentParser]) -> None:
    """Define the arguments of `who-can`."""
    who_can = parser(
        commands,
        "who-can",
        summary="everybody who can do something, in every grant",
        about="Deploy every grant below a folder and list who can do an action on a resource: the principals that"
        " the stacks create, and those whom the resource's own policy names.",
        statuses={0: "answered", 2: "a bad question", 3: "could not be decided for some"},
        examples=[
            "s3:GetObject arn:aws:s3:::reports/2026/january.csv",
            "kms:Decrypt '${stacks.owner.outputs.KeyArn}' --grants grants/one-grant",
            "ssm:DescribeParameters '*' --grants grants",
        ],
    )
    who_can.add_argument("action", metavar="ACTION", help="service:Name")
    who_can.add_argument(
        "resource", metavar="RESOURCE", help="an ARN, or * of actions that have none; may hold a contract's references"
    )
    who_can.add_argument("--grants", metavar="DIR", type=Path, default=Path("templates"), help=DIR_HELP)
    who_can.set_defaults(run=_who_can)


def _who_can(options: argparse.Namespace) -> int:
    from grantproof.contract import ContractError, find

    resource = options.resource
    if _is_mistyped("who-can", options.action):
        return BAD_USAGE
    if resource != "*" and not resource.startswith(("arn:", "$")):
        print(f"grantproof who-can: {resource!r} is no ARN; write the whole of it, {_ARN}", file=sys.stderr)
        return BAD_USAGE
    try:
        grants = find(options.grants)
    except ContractError as error:
        print(error, file=sys.stderr)
        return BAD_USAGE

    def ask(stage: Stage) -> int:
        from grantproof.aws.questions.undeployed import Undeployed, named
        from grantproof.aws.questions.who_can import can_lines, who_can

        found, unclear = who_can(stage, options.action, options.resource)
        undeployed = Undeployed.from_deployment(stage.deployment)
        bearing = undeployed.bearing(options.action)
        by = f", by what is deployed; without {named(bearing)} that is not settled" if bearing else ""
        print(f"{stage.contract.grant}: {len(found) or 'nobody'} can {options.action} on {options.resource}{by}")
        print(*can_lines(found), sep="\n", end="\n" if found else "")
        for who in unclear:
            print(f"  cannot be decided for {who}")
        print(*undeployed.lines(options.action), sep="\n", end="\n" if undeployed.resources else "")
        return UNDETERMINED if unclear or bearing else VERIFIED

    status = max(_on_stage("who-can", contract, ask) for contract in grants)
    if "*" in resource and _acts_on_resources(options.action):
        print(
            f"grantproof who-can: {resource} is taken as it is written: who can on all of it is listed, and not who "
            "can on some of it; name one resource to be told all",
            file=sys.stderr,
        )
    return status


def _acts_on_resources(action: str) -> bool:
    from grantproof.iam import actions

    return bool(actions.details(action).resource_types)
