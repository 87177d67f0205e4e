"""`grantproof init`: draft a contract for what exists."""

from __future__ import annotations

import argparse
import difflib
import json
import shlex
import sys
from pathlib import Path

from grantproof.verbs import BAD_USAGE, NOT_VERIFIED, verify
from grantproof.verbs.pairs import pair
from grantproof.verbs.parsers import Commands, parser


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """Define the arguments."""
    init = parser(
        commands,
        "init",
        summary="draft a contract for templates that exist",
        about="Deploy templates into mocked accounts, write a contract.yaml of what they give beside them, and "
        "verify it. Then go through what is marked DECIDE: only a person can know whether it is meant.",
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
    """Execute the command; returns the exit status."""
    try:
        given = dict(pair(text, "--parameter takes NAME=VALUE") for text in options.parameter)
        _refuse_mistaken(options)
    except ValueError as error:
        print(f"grantproof init: {error}", file=sys.stderr)
        return BAD_USAGE
    # Imported late, because it imports moto: mistakes above are reported without that wait.
    from grantproof.aws.drafts.drafting import CannotDraft, draft, draft_from_snapshot
    from grantproof.aws.drafts.prerequisites import NAME
    from grantproof.aws.mocked.deploy import DeploymentFailed
    from grantproof.contract import ContractError
    from grantproof.contract.undecided import undecided
    from grantproof.source import shown

    try:
        if options.from_snapshot:
            path = draft_from_snapshot(options.from_snapshot, _folder(options), options.region, options.only)
        else:
            had_prerequisites = (options.templates[0].parent / NAME).exists()
            path = draft(options.templates, options.region, given)
            if not had_prerequisites and (path.parent / NAME).exists():
                print(f"{shown(path.parent / NAME)}: stands for what the templates take from the real account")
    except (CannotDraft, DeploymentFailed, ContractError, ValueError) as error:
        print(f"grantproof init: {error}", file=sys.stderr)
        return BAD_USAGE
    except OSError as error:
        where = shown(Path(error.filename)) if error.filename else "the draft"
        print(f"grantproof init: {where}: cannot be written: {error.strerror}.", file=sys.stderr)
        return BAD_USAGE
    marks = len(undecided(path.read_text(encoding="utf-8")))
    print(f"{shown(path)}: drafted; go through the {marks} lines marked DECIDE, which only a person can decide")
    status = _verified(path.parent)
    print(f"next: decide what is marked DECIDE, then `grantproof verify {shlex.quote(shown(path.parent))}`")
    return status


def _folder(options: argparse.Namespace) -> Path:
    """The folder in which the contract is written."""
    if options.from_snapshot:
        return Path(options.out or options.from_snapshot.stem)
    return Path(options.templates[0].parent)


def _refuse_mistaken(options: argparse.Namespace) -> None:
    """Refuse mistakes that can be found without parsing a template.

    Raises:
        ValueError: the command line is wrong, or a file that it names.
    """
    if bool(options.templates) == bool(options.from_snapshot):
        raise ValueError("name templates, or a file with --from-snapshot.")
    if options.templates and (options.only or options.out):
        raise ValueError(f"{'--only' if options.only else '--out'} goes with --from-snapshot FILE.")
    if options.from_snapshot and options.parameter:
        raise ValueError("--parameter goes with templates: an export has no parameters.")
    for path in (*options.templates, *filter(None, [options.from_snapshot])):
        if path.is_dir():
            raise ValueError(f"{path} is a folder; name the templates in it, as in {path / '*.yaml'}.")
        if not path.is_file():
            raise ValueError(f"there is no file {path}.{_near(path)}")
    contract = _folder(options) / "contract.yaml"
    if contract.exists() and options.from_snapshot:
        raise ValueError(f"{contract.parent} holds a grant already; give another folder with --out.")
    if contract.exists():
        raise ValueError(f"{contract} exists; move it away to draft a new one.")
    for path in options.templates:
        if b'"RoleDetailList"' in path.read_bytes():
            raise ValueError(f"{path} is the export of an account; draft from it with --from-snapshot {path}.")


def _near(path: Path) -> str:
    """A hint: the file in the same folder with the most similar name."""
    names = [file.name for file in path.parent.iterdir() if file.is_file()] if path.parent.is_dir() else []
    close = difflib.get_close_matches(path.name, names, n=1, cutoff=0.75)
    return f" Did you mean {path.with_name(close[0])}?" if close else ""


def _verified(folder: Path) -> int:
    """Verify a drafted grant; returns the exit status. For findings about how its templates are written, waivers are
    drafted, which accept nothing until a person has put an owner and a reason into them."""
    import tempfile
    from datetime import UTC, datetime, timedelta

    from grantproof.evidence import waivers
    from grantproof.source import shown

    with tempfile.TemporaryDirectory() as reports:
        status = verify.run_with(str(folder), "--report-dir", reports, passing=True)
        found = Path(reports) / "findings.json"
        if status != NOT_VERIFIED or not found.exists():
            return status
        until = datetime.now(UTC).date() + timedelta(days=30)
        findings = json.loads(found.read_text(encoding="utf-8"))
        text = waivers.drafted(findings, folder.resolve().name, until)
        left = waivers.count_remaining_failures(findings, folder.resolve().name)
    path = folder / waivers.NAME
    if text and not path.exists():
        path.write_text(text, encoding="utf-8")
        print(
            f"{shown(path)}: drafted, until {until}, for what is found in how the templates are written. It accepts "
            "nothing yet: mend the templates and delete it, or put an owner and a reason in the place of DECIDE"
        )
    if text and left:
        print(
            f"{left} of the claims above {'are' if left > 1 else 'is'} about what the templates give: mend the "
            f"templates, or accept what is meant in {waivers.NAME}; evidence.html of `grantproof verify` has the text"
        )
    return status
