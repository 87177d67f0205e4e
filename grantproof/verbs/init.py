"""`grantproof init`: draft a contract for what exists."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from grantproof.source import shown
from grantproof.verbs import BAD_USAGE, NOT_VERIFIED, unwritable, verify
from grantproof.verbs.pairs import pair
from grantproof.verbs.parsers import Commands, parser


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """Say what the verb takes."""
    init = parser(
        commands,
        "init",
        summary="draft a contract for templates that exist",
        about="Deploy templates into mocked accounts, write a contract.yaml of what they give beside them, and "
        "verify it. What only a person can know is marked DECIDE.",
        statuses={0: "drafted and verified", 1: "drafted, not verified", 2: "nothing was drafted"},
        examples=[
            "stack.yaml",
            "root.yaml nested.yaml --region eu-west-1 --parameter CrossAccountId=222222222222",
            "--from-snapshot details.json --only Auditor --out audit",
        ],
    )
    init.add_argument("templates", metavar="TEMPLATE", nargs="*", type=Path, help="templates of one folder, nested too")
    init.add_argument(
        "--from-snapshot", metavar="FILE", type=Path, help="a file of `aws iam get-account-authorization-details`"
    )
    init.add_argument(
        "--only", metavar="NAME", action="append", default=[], help="of a snapshot, entities of this name"
    )
    init.add_argument("--out", metavar="DIR", type=Path, help="with --from-snapshot: the folder to write to")
    init.add_argument("--region", default="us-east-1", help="where to deploy (default: us-east-1)")
    init.add_argument(
        "--parameter", metavar="NAME=VALUE", action="append", default=[], help="a parameter of the templates"
    )
    init.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Carry it out; gives the exit status."""
    try:
        given = dict(pair(text, "--parameter takes NAME=VALUE") for text in options.parameter)
        if bool(options.templates) == bool(options.from_snapshot):
            raise ValueError("name templates, or a file with --from-snapshot.")
        for path in (*options.templates, *filter(None, [options.from_snapshot])):
            if path.is_dir():
                raise ValueError(f"{path} is a folder; name the templates in it, as in {path / '*.yaml'}.")
            if not path.is_file():
                more = ", which is a folder: name the templates in it" if path.is_dir() else ""
                raise ValueError(f"there is no file {path}{more}.")
    except ValueError as error:
        print(f"grantproof init: {error}", file=sys.stderr)
        return BAD_USAGE
    # Takes moto along, for which nobody waits who mistyped a name.
    from grantproof.aws.drafts.already_there import NAME
    from grantproof.aws.drafts.drafting import CannotDraft, draft, draft_from_snapshot
    from grantproof.aws.mocked.deploy import DeploymentFailed
    from grantproof.contract import ContractError

    try:
        if options.from_snapshot:
            folder = options.out or Path(options.from_snapshot.stem)
            path = draft_from_snapshot(options.from_snapshot, folder, options.region, options.only)
        else:
            there = (options.templates[0].parent / NAME).exists()
            path = draft(options.templates, options.region, given)
            if not there and (path.parent / NAME).exists():
                print(f"{shown(path.parent / NAME)}: stands for what the templates take from the real account")
    except (CannotDraft, DeploymentFailed, ContractError, ValueError) as error:
        print(f"grantproof init: {error}", file=sys.stderr)
        return BAD_USAGE
    except OSError as error:
        print(f"grantproof init: {unwritable(error, 'the draft')}", file=sys.stderr)
        return BAD_USAGE
    marks = path.read_text(encoding="utf-8").count("# DECIDE")
    print(f"{shown(path)}: drafted; {marks} places marked DECIDE are for a person to decide")
    return _verified_or_waived(path.parent)


def _verified_or_waived(folder: Path) -> int:
    """Verify a drafted grant; where it is only the way in which its templates are written that keeps it from verifying,
    draft the waivers as well."""
    from datetime import UTC, datetime, timedelta

    from grantproof.evidence import waivers

    with tempfile.TemporaryDirectory() as reports:
        status = verify.called(str(folder), "--report-dir", reports)
        found = Path(reports) / "findings.json"
        if status != NOT_VERIFIED or not found.exists():
            return status
        until = datetime.now(UTC).date() + timedelta(days=30)
        findings = json.loads(found.read_text(encoding="utf-8"))
        text = waivers.drafted(findings, folder.resolve().name, until)
        left = waivers.left_by(findings, folder.resolve().name)
    path = folder / waivers.NAME
    if not text or path.exists():
        return status
    path.write_text(text, encoding="utf-8")
    print(f"{shown(path)}: drafted, until {until}; who accepts these, and why, is for a person to decide")
    if left:
        print(
            f"not verified: {left} of the claims above {'are' if left > 1 else 'is'} about what the templates give. "
            f"Mend the templates, or accept in {waivers.NAME} what is meant: `grantproof verify "
            f"{shown(folder)}` writes the text for it into evidence.html"
        )
        return status
    with tempfile.TemporaryDirectory() as reports:
        return verify.called(str(folder), "--report-dir", reports)
