"""The command line: `grantproof verify`, `grantproof evaluate`.

Exit statuses: 0 verified (or every line answered), 1 not verified (or some lines were errors), 2 bad usage or a
contract that cannot be read.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TextIO

from grantproof import __version__
from grantproof.source import shown

if TYPE_CHECKING:
    from grantproof.aws.recorded import Recorded
    from grantproof.aws.stage import Stage
    from grantproof.contract import Contract

VERIFIED, NOT_VERIFIED, BAD_USAGE = 0, 1, 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    options = _parser().parse_args(argv)
    try:
        return int(options.run(options))
    except BrokenPipeError:
        # The reader has gone (`| head`): nothing is wrong, and nobody is left to be told.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return VERIFIED
    except KeyboardInterrupt:
        print("grantproof: interrupted; nothing was verified", file=sys.stderr)
        return NOT_VERIFIED


def console() -> NoReturn:
    """The `grantproof` command. Leaves at once when it is done: taking moto's state apart object by object would take a
    second, for a process that ends anyway."""
    status = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="grantproof",
        description="Prove what CloudFormation templates delegate between AWS accounts. Offline.",
    )
    parser.add_argument("--version", action="version", version=f"grantproof {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_verify(commands)
    _add_gate(commands)
    _add_snapshot(commands)
    _add_evaluate(commands)
    _add_compare(commands)
    _add_init(commands)
    _add_explain(commands)
    _add_who_can(commands)
    _add_mutants(commands)
    return parser


def _add_verify(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    verify = commands.add_parser(
        "verify",
        help="run every suite over the grants below a folder",
        description="Lint, analyse, deploy into mocked accounts and call every grant below DIR. "
        "A grant is a folder with a contract.yaml.",
    )
    verify.add_argument("directory", metavar="DIR", type=Path, nargs="?", default=Path("templates"))
    verify.add_argument(
        "-n", "--workers", metavar="N", help="processes to use (default: one a core; one in all for a single grant)"
    )
    verify.add_argument(
        "--snapshot",
        metavar="ALIAS=FILE",
        action="append",
        default=[],
        help="verify against the export of a real account (a JSON file or a folder of them) instead of mocked ones; "
        "once for each account of the contracts",
    )
    verify.add_argument(
        "--live",
        metavar="ALIAS=PROFILE",
        nargs="+",
        action="extend",
        default=[],
        help="take the snapshots first, read-only, with these profiles of your AWS configuration",
    )
    verify.add_argument(
        "--try-calls",
        metavar="ALIAS=PROFILE",
        nargs="*",
        help="with --live: then enter the roles and try reads, with these profiles (default: those of --live); nothing "
        "that could change anything, and what will be called is said first",
    )
    verify.add_argument(
        "--fleet",
        metavar="FILE",
        type=Path,
        help="verify many deployments against snapshots: one JSON object a line, see docs/real-accounts.md",
    )
    verify.add_argument("--shard", metavar="K/N", default="1/1", help="of a fleet, only the K-th of N parts")
    verify.add_argument("--scheduler", metavar="ADDRESS", help="of a fleet, the work goes to this Dask cluster")
    verify.add_argument("-k", "--only", metavar="EXPRESSION", help="only tests whose name matches, as pytest's -k")
    verify.add_argument("-v", "--verbose", action="store_true", help="a line for each test")
    verify.add_argument("--report-dir", type=Path, default=Path("reports"), metavar="DIR", help="default: reports")
    verify.set_defaults(run=_verify)


def _verify(options: argparse.Namespace) -> int:
    if options.try_calls is not None and not options.live:
        print("--try-calls goes with --live: what may be tried is worked out from what was read.", file=sys.stderr)
        return BAD_USAGE
    if options.fleet and (options.snapshot or options.live or options.only):
        print(
            "--fleet names its own snapshots and runs every test: leave out --snapshot, --live and -k.", file=sys.stderr
        )
        return BAD_USAGE
    if options.fleet:
        return _fleet(options)
    if options.shard != "1/1" or options.scheduler:
        print("--shard and --scheduler go with --fleet FILE.", file=sys.stderr)
        return BAD_USAGE
    from grantproof.evidence import bundle

    try:
        with bundle.alone(options.report_dir):
            return _verify_alone(options)
    except OSError as error:
        print(f"{options.report_dir}: reports cannot be written there: {error.strerror}.", file=sys.stderr)
        return BAD_USAGE


def _verify_alone(options: argparse.Namespace) -> int:
    from grantproof.aws.live import SnapshotFailed
    from grantproof.contract import find
    from grantproof.evidence import bundle, stamp, waivers
    from grantproof.source import SourceError

    try:
        stamp.given()
        grants = find(options.directory)
        for grant in grants:
            waivers.load(grant.path, grant.grant)
        snapshots = [*options.snapshot, *_taken(grants, options.live, options.report_dir / "snapshots")]
        worlds = _check_snapshots(grants, snapshots)
        calls = _tried(grants, worlds, options)
    except (SourceError, SnapshotFailed, stamp.BadStamp) as error:
        print(error, file=sys.stderr)
        return BAD_USAGE
    import pytest

    # Service models and moto's backends are millions of objects that stay: looking through them for garbage again and
    # again takes a third of the run.
    gc.set_threshold(500_000, 50, 50)
    suites = suites_folder()
    arguments = [
        str(suites),
        f"--grants={options.directory}",
        f"--rootdir={suites}",
        f"--config-file={suites / 'suites.ini'}",
        # Of pytest's own report the bundle takes what is whole.
        f"--junitxml={options.report_dir / f'{bundle.PARTIAL}pytest' / 'junit.xml'}",
        f"--grants-report={options.report_dir}",
        # A single grant is verified in less time than other processes take to start.
        f"--numprocesses={options.workers or ('auto' if len(grants) > 1 else 0)}",
    ]
    # Plugins of other packages that are installed beside this one, of no use to the suites and slow to start or to end.
    arguments += ["-p", "no:hypothesispytest", "-p", "no:unraisableexception"]
    arguments += [f"--snapshot={pair}" for pair in snapshots]
    arguments += [f"--calls={calls}"] if calls else []
    arguments += ["-k", options.only] if options.only else []
    arguments += ["-v"] if options.verbose else ["-q"]
    status = pytest.main(arguments)
    if status == pytest.ExitCode.USAGE_ERROR:
        return BAD_USAGE
    return VERIFIED if status == pytest.ExitCode.OK else NOT_VERIFIED


def _fleet(options: argparse.Namespace) -> int:
    from grantproof.contract import find
    from grantproof.evidence import bundle
    from grantproof.fleet import report
    from grantproof.fleet.plan import shard
    from grantproof.fleet.run import Fleet, Journal, Stopped, run
    from grantproof.fleet.workers import NoWorkers, workers
    from grantproof.source import SourceError

    try:
        bundle.clear(options.report_dir)
        part = shard(options.shard)
        number = int(options.workers) if options.workers else None
        contracts = {contract.grant: contract for contract in find(options.directory)}
        fleet = Fleet(options.directory, options.fleet, suites_folder(), contracts, part)
        journal = Journal(options.report_dir / f"fleet-{part.number}-of-{part.of}.jsonl")
        with workers(options.scheduler, number) as (executor, count):
            totals = run(fleet, executor, count, journal, report.broken, report.Progress())
    except (SourceError, NoWorkers, ValueError) as error:
        print(error, file=sys.stderr)
        return BAD_USAGE
    except Stopped as error:
        print(f"NOT VERIFIED  {error}", file=sys.stderr)
        return NOT_VERIFIED
    print("\n".join(report.verdict(totals, part)))
    return VERIFIED if totals.all_verified else NOT_VERIFIED


def _check_snapshots(grants: Sequence[Contract], pairs: Sequence[str]) -> Mapping[str, Recorded]:
    """Refuse exports in one line, before any test is collected."""
    if not pairs:
        return {}
    from grantproof.aws.export import named, read_export
    from grantproof.aws.recorded import recorded

    return recorded(grants, {alias: read_export(path) for alias, path in named(pairs).items()})


def _tried(grants: Sequence[Contract], worlds: Mapping[str, Recorded], options: argparse.Namespace) -> Path | None:
    """With `--try-calls`: say what will be called, call it, and give the file with what became of it."""
    if options.try_calls is None:
        return None
    from grantproof.aws import live, trying
    from grantproof.aws.export import by_alias

    sources = live.sources(grants, by_alias(options.try_calls or options.live, "PROFILE"))
    path: Path = options.report_dir / "snapshots" / "calls.json"
    trying.carried_out(worlds, sources, path, lambda lines: print(*lines, sep="\n", file=sys.stderr, flush=True))
    return path


def _add_gate(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    gate = commands.add_parser(
        "gate",
        help="before a merge: verify every grant, and show what the change does to access",
        description="Verify every grant below DIR, and compare what they give, as deployed, with what they gave where "
        "the change began: the merge base of REF and HEAD. New access passes only if the contract promises it.",
    )
    gate.add_argument("directory", metavar="DIR", type=Path, nargs="?", default=Path("templates"))
    gate.add_argument("--base", metavar="REF", required=True, help="what the change is to be merged into: origin/main")
    gate.add_argument("--report-dir", type=Path, default=Path("reports"), metavar="DIR", help="default: reports")
    gate.add_argument("--diff-only", action="store_true", help="compare only; verification runs elsewhere")
    gate.add_argument("-n", "--workers", metavar="N", help="processes for the verification, as for verify")
    gate.set_defaults(run=_gate)


def _gate(options: argparse.Namespace) -> int:
    from grantproof.evidence import bundle
    from grantproof.gate import report
    from grantproof.gate.change import changes
    from grantproof.gate.history import NotCompared
    from grantproof.source import SourceError

    gc.set_threshold(500_000, 50, 50)
    with ExitStack() as held:
        try:
            report.clear(options.report_dir)
            if not options.diff_only:
                held.enter_context(bundle.alone(options.report_dir))
            found = changes(options.directory, options.base)
            report.write(found, options.report_dir)
        except (SourceError, NotCompared) as error:
            print(error, file=sys.stderr)
            return BAD_USAGE
        except OSError as error:
            print(f"{options.report_dir}: reports cannot be written there: {error.strerror}.", file=sys.stderr)
            return BAD_USAGE
        print(report.text(found), end="", flush=True)
        nothing_left = all(grant.what == "deleted" for grant in found.grants)
        if options.diff_only or nothing_left:
            return VERIFIED if found.passes else NOT_VERIFIED
        verified = _verify(_parser().parse_args(_verification(options)))
        return verified if found.passes or verified == BAD_USAGE else NOT_VERIFIED


def _verification(options: argparse.Namespace) -> list[str]:
    workers = [f"--workers={options.workers}"] if options.workers else []
    return ["verify", str(options.directory), f"--report-dir={options.report_dir}", *workers]


def _add_snapshot(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    snapshot = commands.add_parser(
        "snapshot",
        help="export what real accounts hold, read-only, for verify --snapshot",
        description="Read the accounts of the contracts below DIR and write what `verify --snapshot` takes. "
        "Nothing is changed; docs/real-accounts.md names every call.",
    )
    snapshot.add_argument("directory", metavar="DIR", type=Path)
    snapshot.add_argument(
        "accounts", metavar="ALIAS=PROFILE", nargs="+", help="account of the contracts, and a profile"
    )
    snapshot.add_argument("--out", metavar="DIR", type=Path, default=Path("snapshots"), help="default: snapshots")
    snapshot.add_argument(
        "--services",
        metavar="NAMES",
        help="the services whose resource policies are read, with commas between (default: all that are known)",
    )
    snapshot.set_defaults(run=_snapshot)


def _snapshot(options: argparse.Namespace) -> int:
    from grantproof.aws.live import SnapshotFailed
    from grantproof.contract import find
    from grantproof.source import SourceError

    try:
        _taken(find(options.directory), options.accounts, options.out, options.services)
    except (SourceError, SnapshotFailed) as error:
        print(error, file=sys.stderr)
        return BAD_USAGE
    return VERIFIED


def _taken(grants: Sequence[Contract], pairs: Sequence[str], folder: Path, services: str | None = None) -> list[str]:
    """Take snapshots of live accounts into a folder; gives them as `ALIAS=FILE`. Files appear when all accounts have
    been read: half of the accounts are no snapshot."""
    if not pairs:
        return []
    from grantproof.aws import live
    from grantproof.aws.export import by_alias

    said = _Progress()
    sources = live.sources(grants, by_alias(pairs, "PROFILE"))
    asked = live.known_services(services)
    taken = {s: live.take(s, live.stacks_in(grants, s.alias), asked, progress=said) for s in sources}
    said.end()
    for source, documents in taken.items():
        file = folder / f"{source.alias}.json"
        live.write(documents, file)
        print(f"{source.alias}: account {source.account} written to {file}", file=sys.stderr)
    return [f"{source.alias}={folder / f'{source.alias}.json'}" for source in taken]


class _Progress:
    """One line that is written over, where somebody is looking."""

    def __call__(self, text: str) -> None:
        if sys.stderr.isatty():
            print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)

    def end(self) -> None:
        """Clear the line."""
        self("")


def _add_mutants(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    mutants = commands.add_parser(
        "mutants",
        help="break every grant below a folder on purpose, and see whether the suites notice",
        description="Apply every mutation operator of the catalogue to the templates of every grant below DIR. Each "
        "mutant that changes access has to fail the suites, for the right reason.",
    )
    mutants.add_argument("directory", metavar="DIR", type=Path, nargs="?", default=Path("templates"))
    mutants.add_argument(
        "-n", "--workers", metavar="N", type=int, default=os.cpu_count() or 1, help="default: one a core"
    )
    mutants.add_argument("-k", "--only", metavar="EXPRESSION", help="only tests whose name matches: a weaker gate")
    mutants.add_argument(
        "-o", "--operators", metavar="PATTERN", action="append", help="only operators or groups so called"
    )
    mutants.add_argument("-v", "--verbose", action="store_true", help="what became of each mutant")
    mutants.add_argument("--json", type=Path, default=Path("reports") / "mutants.json", metavar="FILE",
                         help="default: reports/mutants.json")  # fmt: skip
    mutants.set_defaults(run=_mutants)


def _mutants(options: argparse.Namespace) -> int:
    import json

    from grantproof.contract import ContractError, find

    try:
        find(options.directory)
    except ContractError as error:
        print(error, file=sys.stderr)
        return BAD_USAGE
    if not hasattr(os, "fork") or options.workers < 1:
        print("grantproof mutants: needs a system with fork, and at least one worker", file=sys.stderr)
        return BAD_USAGE
    from grantproof.evidence.provenance import judges
    from grantproof.mutants.catalogue import CatalogueError, chosen
    from grantproof.mutants.engine import Engine, run
    from grantproof.mutants.score import document

    try:
        engine = Engine(options.workers, chosen(options.operators or ["*"]), _progress)
    except CatalogueError as error:
        print(f"grantproof mutants: {error}", file=sys.stderr)
        return BAD_USAGE
    gc.set_threshold(500_000, 50, 50)
    run(suites_folder(), options.directory, engine, options.only or "")
    if engine.refusal:
        print(engine.refusal, file=sys.stderr)
        return NOT_VERIFIED
    if not engine.scores:
        print("grantproof mutants: no test was selected, so nothing can be killed", file=sys.stderr)
        return NOT_VERIFIED
    for score in engine.scores:
        lines = [str(result) for result in score.results] if options.verbose else []
        print("\n".join([*lines, *score.lines()]))
    options.json.parent.mkdir(parents=True, exist_ok=True)
    scored = document(engine.scores, judges(suites_folder()), only=options.only or "", chosen=options.operators or [])
    options.json.write_text(json.dumps(scored, indent=1) + "\n", encoding="utf-8")
    return VERIFIED if all(score.passed for score in engine.scores) else NOT_VERIFIED


def _progress(text: str) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"\r{text}\033[K")


def suites_folder() -> Path:
    """Where the verification suites are: inside an installed package, or in the working copy's tests/grants.

    Raises:
        FileNotFoundError: neither is there.
    """
    package = Path(__file__).resolve().parent
    for folder in (package / "suites", package.parent / "tests" / "grants"):
        if (folder / "suites.ini").is_file():
            return folder
    raise FileNotFoundError("grantproof's suites are missing: install the package again")


def _add_evaluate(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    evaluate = commands.add_parser(
        "evaluate",
        help="decide requests: JSON Lines in, JSON Lines out",
        description="Read one case a line, write one decision a line. The format: fixtures/conformance/README.md.",
    )
    evaluate.add_argument("file", metavar="FILE", nargs="?", type=Path, help="default: standard input")
    evaluate.add_argument(
        "--assume", metavar="POINT=READING", action="append", default=[], help="take another reading of an open point"
    )
    evaluate.set_defaults(run=_evaluate)


def _evaluate(options: argparse.Namespace) -> int:
    from grantproof.iam import Assumptions
    from grantproof.iam.decisions import decide

    try:
        assumptions = Assumptions(dict(_reading(text) for text in options.assume))
    except ValueError as error:
        print(f"grantproof evaluate: {error}", file=sys.stderr)
        return BAD_USAGE
    source = _opened(options.file, "evaluate")
    return BAD_USAGE if source is None else _answered(partial(decide, assumptions=assumptions), source)


def _opened(file: Path | None, command: str) -> TextIO | None:
    """The lines to answer: a file's, or those of standard input. None, with a message, where it cannot be read."""
    try:
        return file.open(encoding="utf-8") if file else sys.stdin
    except OSError as error:
        print(f"grantproof {command}: {file}: {error.strerror}", file=sys.stderr)
        return None


def _answered(ask: Callable[[Any], dict[str, Any]], source: TextIO) -> int:
    """Write the answer to each line as soon as it is known."""
    from grantproof.iam.lines import answers, dumps

    status = VERIFIED
    with source:
        for found in answers(_decoded(source), ask):
            if "error" in found:
                status = NOT_VERIFIED
            sys.stdout.write(dumps(found) + "\n")
    return status


def _add_compare(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    compare = commands.add_parser(
        "compare",
        help="what NEW allows that OLD does not, over all requests, and the other way round",
        description="Compare two policy documents, exports of an account, or grants exactly: not samples, but every "
        "request that can ever be made. Exit status 0 when NEW allows nothing new, 1 when it does, 3 when that "
        "cannot be said.",
    )
    compare.add_argument("old", metavar="OLD", nargs="?", type=Path, help="a policy (JSON, YAML), export or grant")
    compare.add_argument("new", metavar="NEW", nargs="?", type=Path, help="the same")
    compare.add_argument("--json", action="store_true", help="the answer as JSON")
    compare.add_argument(
        "--jsonl",
        metavar="FILE",
        nargs="?",
        const="-",
        help='JSON Lines {"id": ..., "old": layers, "new": layers} of FILE or standard input, one answer a line',
    )
    compare.set_defaults(run=_compare)


def _compare(options: argparse.Namespace) -> int:
    if options.jsonl is not None:
        return _compare_lines(options)
    if options.old is None or options.new is None:
        print("grantproof compare: give two files, OLD and NEW, or --jsonl", file=sys.stderr)
        return BAD_USAGE
    from grantproof.gate.compared import compared
    from grantproof.iam.comparisons import in_words
    from grantproof.iam.lines import dumps
    from grantproof.source import SourceError

    try:
        answer = compared(options.old, options.new)
    except SourceError as error:
        print(error, file=sys.stderr)
        return BAD_USAGE
    print(dumps(answer) if options.json else in_words(answer))
    return _STATUS[answer["verdict"]] or (UNDETERMINED if "depends_on" in answer else VERIFIED)


UNDETERMINED = 3
_STATUS = {"equal": 0, "narrower": 0, "wider": 1, "different": 1, "undetermined": UNDETERMINED}


def _compare_lines(options: argparse.Namespace) -> int:
    from grantproof.iam.comparisons import compared

    source = _opened(None if options.jsonl == "-" else Path(options.jsonl), "compare")
    return BAD_USAGE if source is None else _answered(compared, source)


def _add_init(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    init = commands.add_parser(
        "init",
        help="draft a contract for templates that exist",
        description="Deploy templates into mocked accounts, write a contract.yaml of what they give beside them, and "
        "verify it. What only a person can know is marked DECIDE. "
        "Exit status: 0 drafted and verified, 1 drafted but not verified, 2 nothing was drafted.",
    )
    init.add_argument("templates", metavar="TEMPLATE", nargs="*", type=Path, help="templates of one folder, nested too")
    init.add_argument(
        "--from-snapshot", metavar="FILE", type=Path, help="a file of `aws iam get-account-authorization-details`"
    )
    init.add_argument(
        "--only", metavar="NAME", action="append", default=[], help="of a snapshot, entities of this name"
    )
    init.add_argument("--out", metavar="DIR", type=Path, help="with --from-snapshot: the folder to write to")
    init.add_argument("--region", default="us-east-1", help="default: us-east-1")
    init.add_argument("--parameter", metavar="NAME=VALUE", action="append", default=[], help="of the templates")
    init.set_defaults(run=_init)


def _init(options: argparse.Namespace) -> int:
    from grantproof.aws.deploy import DeploymentFailed
    from grantproof.aws.drafting import CannotDraft, draft, draft_from_snapshot
    from grantproof.contract import ContractError

    try:
        given = dict(_pair(text, "--parameter takes NAME=VALUE") for text in options.parameter)
        if bool(options.templates) == bool(options.from_snapshot):
            raise CannotDraft("name templates, or a file with --from-snapshot.")
        if options.from_snapshot:
            folder = options.out or Path(options.from_snapshot.stem)
            path = draft_from_snapshot(options.from_snapshot, folder, options.region, options.only)
        else:
            path = draft(options.templates, options.region, given)
    except (CannotDraft, DeploymentFailed, ContractError, ValueError) as error:
        print(f"grantproof init: {error}", file=sys.stderr)
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
        status = main(["verify", str(folder), "--report-dir", reports])
        found = Path(reports) / "findings.json"
        if status != NOT_VERIFIED or not found.exists():
            return status
        until = datetime.now(UTC).date() + timedelta(days=30)
        text = waivers.drafted(json.loads(found.read_text(encoding="utf-8")), folder.resolve().name, until)
    path = folder / waivers.NAME
    if not text or path.exists():
        return status
    path.write_text(text, encoding="utf-8")
    print(f"{shown(path)}: drafted, until {until}; who accepts these, and why, is for a person to decide")
    with tempfile.TemporaryDirectory() as reports:
        return main(["verify", str(folder), "--report-dir", reports])


def _pair(text: str, what: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise ValueError(f"{what}, not {text!r}")
    return name, value


def _add_explain(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    explain = commands.add_parser(
        "explain",
        help="why a principal of a grant may or may not do something, and what would change that",
        description="Deploy a grant into mocked accounts and decide one request, layer by layer. "
        "Exit status: 0 allowed, 1 denied, 2 bad question, 3 cannot be decided.",
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
    from grantproof.aws import answered, inquiry
    from grantproof.aws.absent import Absent

    def ask(stage: Stage) -> int:
        who = inquiry.caller(stage, options.who)
        context: dict[str, tuple[str, ...]] = {}
        for given in options.context:
            try:
                key, value = _pair(given, "--context takes KEY=VALUE")
            except ValueError as error:
                raise inquiry.BadQuestion(str(error)) from None
            context[key] = (*context.get(key, ()), value)
        if options.resource is None and not context:
            answers = inquiry.on_resources(stage, who, options.action)
        else:
            asked = inquiry.request(stage, who, options.action, options.resource or "*", context)
            answers = (inquiry.explain(stage, who, asked),)
        for answer in answers:
            print(*answered.lines(stage, who, answer), sep="\n")
        absent = Absent.of(stage.deployment)
        if any(a.decision.depends_on or absent.unsettles(a.decision, a.request.action) for a in answers):
            return UNDETERMINED
        return VERIFIED if any(answer.decision.allowed for answer in answers) else NOT_VERIFIED

    return _on_stage("explain", options.grant, ask)


def _on_stage(command: str, folder: Path, ask: Callable[[Stage], int]) -> int:
    """Deploy the grant of a folder, and ask."""
    from grantproof.aws.absent import Absent, named
    from grantproof.aws.deploy import DeploymentFailed
    from grantproof.aws.inquiry import BadQuestion
    from grantproof.aws.policies import SnapshotIncomplete
    from grantproof.aws.stage import Stage
    from grantproof.contract import ContractError, UnknownFact, load
    from grantproof.iam import LawError

    try:
        stage = Stage(load(folder), partial=True)
        stage.open()
    except (ContractError, DeploymentFailed) as error:
        print(error, file=sys.stderr)
        return BAD_USAGE
    missing = named(Absent.of(stage.deployment).resources)
    without = f" (not deployed: {missing})" if missing else ""
    try:
        return ask(stage)
    except (BadQuestion, UnknownFact) as error:
        where = f"{shown(folder)}: " if isinstance(error, UnknownFact) else ""
        print(f"grantproof {command}: {where}{error}{without}", file=sys.stderr)
        return UNDETERMINED if missing else BAD_USAGE
    except (LawError, SnapshotIncomplete) as error:
        print(f"grantproof {command}: cannot be decided: {error}{without}", file=sys.stderr)
        return UNDETERMINED
    finally:
        stage.close()


def _add_who_can(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    who_can = commands.add_parser(
        "who-can",
        help="everybody who can do something, in every grant",
        description="Deploy every grant below a folder and list who can do an action on a resource: the principals that"
        " the stacks create, and those whom the resource's own policy names. "
        "Exit status: 0 answered, 2 bad question, 3 could not be decided for some.",
    )
    who_can.add_argument("action", metavar="ACTION", help="service:Name")
    who_can.add_argument("resource", metavar="RESOURCE", help="an ARN, or *; may hold a contract's references")
    who_can.add_argument("--grants", metavar="DIR", type=Path, default=Path("templates"), help="default: templates")
    who_can.set_defaults(run=_who_can)


def _who_can(options: argparse.Namespace) -> int:
    from grantproof.aws.absent import Absent, named
    from grantproof.aws.who_can import can_lines, who_can
    from grantproof.contract import ContractError, find

    try:
        grants = find(options.grants)
    except ContractError as error:
        print(error, file=sys.stderr)
        return BAD_USAGE

    def ask(stage: Stage) -> int:
        found, unclear = who_can(stage, options.action, options.resource)
        absent = Absent.of(stage.deployment)
        bearing = absent.bearing(options.action)
        by = f", by what is deployed; without {named(bearing)} that is not settled" if bearing else ""
        print(f"{stage.contract.grant}: {len(found) or 'nobody'} can {options.action} on {options.resource}{by}")
        print(*can_lines(found), sep="\n", end="\n" if found else "")
        for who in unclear:
            print(f"  cannot be decided for {who}")
        print(*absent.lines(options.action), sep="\n", end="\n" if absent.resources else "")
        return UNDETERMINED if unclear or bearing else VERIFIED

    return max(_on_stage("who-can", contract.path, ask) for contract in grants)


def _decoded(source: TextIO) -> TextIO:
    # A line with bytes that are not UTF-8 is that line's error, not the end of the run.
    if hasattr(source, "reconfigure"):
        source.reconfigure(encoding="utf-8", errors="replace")
    return source


def _reading(text: str) -> tuple[str, str]:
    name, equals, reading = text.partition("=")
    if not equals:
        raise ValueError(f"--assume takes POINT=READING, not {text!r}")
    return name, reading


if __name__ == "__main__":
    console()
