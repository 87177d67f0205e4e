"""Runs the suites over every mutant of a grant, without deploying the world from scratch for each.

One process collects the suites, deploys step by step, and forks before each stack: a mutant of that stack's template
begins there, in a child of its own, with everything before it in place. A child goes on deploying with its template,
runs the suites and says what they found. Nothing that it does reaches another.
"""

from __future__ import annotations

import gc
import io
import json
import os
import selectors
import signal
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from _pytest.runner import runtestprotocol

from grantproof.aws.deploy import DeploymentFailed, NotCreatable
from grantproof.aws.intrinsics import NotResolved
from grantproof.aws.stage import Stage
from grantproof.aws.synthesis import Refused
from grantproof.contract import Contract, ContractError, load
from grantproof.evidence.finding import Finding, Outcome
from grantproof.iam import MalformedPolicy
from grantproof.mutants.access import Access, access, changes, constraints, difference
from grantproof.mutants.branches import Branches
from grantproof.mutants.catalogue import Mutant, Operator, mutants
from grantproof.mutants.reasons import Traces, original_place, right, traces_of, with_changes
from grantproof.mutants.score import DORMANT, EQUIVALENT, INVALID, KILLED, MISPLACED, SURVIVED, Result, Score
from grantproof.source import instead, read

#: Longest a mutant may take, in seconds. One that takes longer has not been killed.
_LIMIT = 120


class NotVerified(Exception):
    """The grant as it is does not pass: what its mutants do would say nothing."""


@dataclass(frozen=True)
class _Grant:
    """A grant, the tests that are tried on its mutants, and what it holds unbroken."""

    contract: Contract
    suites: list[list[pytest.Item]]
    before: Access
    references: dict[str, str]
    limits: dict[str, Any]


class Engine:
    """A pytest plugin that takes the place of the loop over tests. `scores` holds the result, `refusal` says why there
    is none."""

    def __init__(
        self,
        workers: int,
        operators: Sequence[Operator],
        progress: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._workers, self._operators, self._progress = workers, operators, progress
        self._plugin: Any = None
        self.scores: list[Score] = []
        self.refusal = ""

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Every grant, one after the other."""
        self._plugin = session.config.pluginmanager.get_plugin("grantproof")
        by_grant: dict[str, list[pytest.Item]] = {}
        contracts: dict[str, Contract] = {}
        for item in session.items:
            contract = item.callspec.params.get("grant") if hasattr(item, "callspec") else None
            if isinstance(contract, Contract):
                by_grant.setdefault(contract.grant, []).append(item)
                contracts[contract.grant] = contract
        try:
            for name, items in by_grant.items():
                self.scores.append(self._score(session, contracts[name], items))
        except NotVerified as error:
            self.refusal = str(error)
        return True

    # one grant

    def _score(self, session: pytest.Session, contract: Contract, items: Sequence[pytest.Item]) -> Score:
        found = tuple(mutants(contract, self._operators))
        static, others = _by_cost(items)
        seconds: dict[pytest.Item, float] = {}
        before = self._unbroken(session, contract, static, seconds)
        results = self._all(session, _Grant(contract, _by_suite(static, seconds), *before), found)
        open_ = [m for m in found if results[m.id].verdict in (SURVIVED, MISPLACED)]
        if open_:
            # What reads policies has not caught them. All that is left is tried, calls and deployments included.
            self._unbroken(session, contract, others, seconds)
            suites = [*_by_suite(static, seconds), *_by_suite(others, seconds)]
            results |= self._all(session, _Grant(contract, suites, *before), open_)
        results |= self._in_branches(contract, [m for m in found if results[m.id].verdict in (DORMANT, EQUIVALENT)])
        return Score.of(contract, tuple(results[m.id] for m in found))

    def _in_branches(self, contract: Contract, unseen: Sequence[Mutant]) -> dict[str, Result]:
        """Mutants that make no difference to what is deployed may make one under the contract's variants."""
        try:
            branches = Branches(contract)
        except (NotResolved, Refused):
            return {}  # the suites have not looked there either
        return {result.mutant.id: result for result in self._forked(unseen, branches.judge)}

    def _all(self, session: pytest.Session, grant: _Grant, these: Sequence[Mutant]) -> dict[str, Result]:
        used = _first_use(grant.contract)
        unused = [m for m in these if m.template.resolve() not in used]
        results = {m.id: Result(m, DORMANT, "only variants of the contract deploy its template") for m in unused}
        for managed in (False, True):
            # AWS's managed policies take a good part of a second to load, so only those have them that name one.
            chosen = [m for m in these if (":policy/" in m.text) == managed and m.id not in results]
            if chosen:
                for result in self._on_one_base(session, grant, chosen, managed):
                    results[result.mutant.id] = result
                    self._progress(f"{grant.contract.grant}: {len(results)}/{len(these)}")
        return results

    def _unbroken(
        self,
        session: pytest.Session,
        contract: Contract,
        items: Sequence[pytest.Item],
        seconds: dict[pytest.Item, float],
    ) -> tuple[Access, dict[str, str], dict[str, Any]]:
        """Runs tests on the grant as it is, and says what it holds. Everything that is read or built once is then there
        for all children. `seconds` takes how long each test was."""
        stage = Stage(contract)
        try:
            stage.open()
        except DeploymentFailed as error:
            raise NotVerified(f"{contract.grant} cannot be deployed as it is: {error}") from None
        try:
            before = access(stage)
            references = {p.alias: str(stage.resolved(p.reference)) for p in contract.principals}
            self._plugin.adopt(session.config, stage)
            failed: list[Outcome] = []
            for item in items:
                started = time.monotonic()
                failed += [o for o in self._run([item], session) if _red(o)]
                seconds[item] = time.monotonic() - started
        finally:
            self._plugin.adopt(session.config, None)
            stage.close()
        if failed:
            raise NotVerified(
                f"{contract.grant} is not verified as it is: {failed[0].test} fails. Run `grantproof verify` first."
            )
        return before, references, constraints(contract)

    def _on_one_base(
        self, session: pytest.Session, grant: _Grant, chosen: Sequence[Mutant], managed: bool
    ) -> Iterator[Result]:
        contract = grant.contract
        start = _first_use(contract)
        stage = Stage(contract, managed_policies=managed)
        stage.begin()
        try:
            _warm(stage)
            self._plugin.adopt(session.config, stage)
            for number in range(len(contract.stacks)):
                here = [m for m in chosen if start[m.template.resolve()] == number]
                yield from self._forked(here, lambda m: self._judge(session, grant, stage, m))
                if any(start[m.template.resolve()] > number for m in chosen):
                    stage.advance()
                    stage.snapshots()
        finally:
            self._plugin.adopt(session.config, None)
            stage.close()

    # one mutant, in a process of its own

    def _forked(self, here: Sequence[Mutant], judge: Callable[[Mutant], Result]) -> Iterator[Result]:
        """Judge each in a child, as many at a time as there are workers."""
        gc.collect()
        gc.freeze()
        waiting, selector = list(reversed(here)), selectors.DefaultSelector()
        said: dict[int, bytes] = {}
        while waiting or said:
            while waiting and len(said) < self._workers:
                mutant = waiting.pop()
                pid, pipe = _child(lambda m=mutant: judge(m))  # type: ignore[misc]
                selector.register(pipe, selectors.EVENT_READ, (pid, mutant))
                said[pid] = b""
            for key, _ in selector.select():
                pid, mutant = key.data
                data = os.read(key.fd, 1 << 20)
                said[pid] += data
                if not data:
                    selector.unregister(key.fd)
                    os.close(key.fd)
                    os.waitpid(pid, 0)
                    yield Result.from_said(mutant, said.pop(pid))
        gc.unfreeze()

    def _judge(self, session: pytest.Session, grant: _Grant, stage: Stage, mutant: Mutant) -> Result:
        with instead({mutant.template: mutant.text}):
            document = read(mutant.template)
            result = self._verdict(session, grant, stage, mutant)
        original = read(mutant.template)
        shown = tuple(replace(f, place=original_place(document, original, f.place)) for f in result.findings)
        return replace(result, findings=shown)

    def _verdict(self, session: pytest.Session, grant: _Grant, stage: Stage, mutant: Mutant) -> Result:
        traces = traces_of(mutant)
        try:
            load(grant.contract.path)
            if any(mutant.template in upload.files for upload in grant.contract.uploads):
                stage.upload_again()
            while stage.advance():
                pass
            stage.act()
            after = access(stage)
        except NotCreatable as error:
            # AWS would deploy it. That it cannot be looked at here turns every test red that needs the deployment.
            finding = Finding(grant.contract.grant, "can be deployed", "unverified", str(error))
            return Result(mutant, KILLED, tests=("every test that needs the deployment",), findings=(finding,))
        except (ContractError, DeploymentFailed, MalformedPolicy) as error:
            return Result(mutant, INVALID, why=str(error))
        changed = changes(grant.before, after)
        differs = difference(grant.before, after) or _limits_differ(grant)
        if not differs and not changed and "Fn::If" in (*mutant.site, mutant.operator.intrinsic):
            return Result(mutant, DORMANT, "the branch is not deployed by this contract")
        if not differs:
            return Result(mutant, EQUIVALENT)
        traces = with_changes(traces, changed, grant.contract, stage, grant.references)
        red: list[Outcome] = []
        for items in grant.suites:
            red += [o for o in self._run(items, session) if _red(o)]
            if right(_findings(red), traces):
                return _killed(mutant, red, traces)
        return Result(mutant, MISPLACED if red else SURVIVED, differs, _names(red), tuple(_findings(red))[:3])

    def _run(self, items: Sequence[pytest.Item], session: pytest.Session) -> list[Outcome]:
        out: list[Outcome] = []
        if items:
            # The module that ran before is not this one's.
            session._setupstate.teardown_exact(items[0])
        for number, item in enumerate(items):
            # What a test leaves behind is cleared for the next; any other test will do after the last.
            following = items[number + 1] if number + 1 < len(items) else _another(session.items, item)
            for report in runtestprotocol(item, nextitem=following, log=False):
                outcome = self._plugin.outcome_of(report)
                if outcome is not None and _red(outcome) and not outcome.findings:
                    # It failed in its own words. Those say no place, so they can only show what came along by name.
                    said = Finding(outcome.grant, outcome.test, "broken", report.longreprtext.splitlines()[-1])
                    outcome = replace(outcome, findings=(said,))
                out += [outcome] if outcome is not None else []
        return out


#: Each test runs hundreds of times; what pytest does around it for people to read is of no use here.
_NOT_NEEDED = "hypothesispytest unraisableexception threadexception logging faulthandler".split()


def run(suites: Path, directory: Path, engine: Engine, only: str = "") -> None:
    """Collect the suites for the grants below a folder, and let an engine run them. `only` selects tests as pytest's
    `-k` does."""
    arguments = [str(suites), f"--grants={directory}", f"--rootdir={suites}"]
    arguments += [f"--config-file={suites / 'suites.ini'}", "--numprocesses=0", "-s", "-q"]
    arguments += [f"-pno:{name}" for name in _NOT_NEEDED]
    arguments += ["-k", only] if only else []
    said = io.StringIO()
    with redirect_stdout(said):
        status = pytest.main(arguments, plugins=[engine])
    if status not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        engine.refusal = engine.refusal or said.getvalue()


def _red(outcome: Outcome) -> bool:
    """Does the test fail? What somebody has accepted does not."""
    return outcome.status not in ("pass", "exception")


def _another(items: Sequence[pytest.Item], item: pytest.Item) -> pytest.Item | None:
    return next((other for other in items if other is not item), None)


def _by_cost(items: Sequence[pytest.Item]) -> tuple[tuple[pytest.Item, ...], tuple[pytest.Item, ...]]:
    """Tests that read what is deployed, and those that lint, call or deploy."""
    static: list[pytest.Item] = []
    others: list[pytest.Item] = []
    for item in items:
        fixtures = getattr(item, "fixturenames", ())
        slow = "deploy" in fixtures or "swept" in fixtures or item.path.stem in ("test_access", "test_lint")
        (others if slow else static).append(item)
    return tuple(static), tuple(others)


#: A test that takes longer than this, in seconds, comes after the others.
_SLOW = 0.05
#: The suites that catch most come first: a mutant's tests end with the suite that catches it.
_ORDER = ("test_proof", "test_trust", "test_permissions", "test_deployment")


def _by_suite(items: Sequence[pytest.Item], seconds: Mapping[pytest.Item, float]) -> list[list[pytest.Item]]:
    runs: dict[tuple[bool, str], list[pytest.Item]] = {(False, suite): [] for suite in _ORDER}
    for item in sorted(items, key=lambda item: seconds[item] > _SLOW):
        runs.setdefault((seconds[item] > _SLOW, item.path.stem), []).append(item)
    return [run for run in runs.values() if run]


def _first_use(contract: Contract) -> dict[Any, int]:
    """For each template, the number of the first stack that may use it: itself, or one that has nested stacks."""
    out: dict[Any, int] = {}
    nesting = [n for n, s in enumerate(contract.stacks) if "AWS::CloudFormation::Stack" in str(read(s.template).value)]
    for upload in contract.uploads:
        out |= {file.resolve(): min(nesting, default=0) for file in upload.files}
    for number, stack in reversed(list(enumerate(contract.stacks))):
        template = stack.template.resolve()
        out[template] = min(number, out.get(template, number))
    return out


def _warm(stage: Stage) -> None:
    """Clients and mocked services are made on first use, and accounts are looked at again only where something has
    changed; so that not every child does all of it, it is done here."""
    for number in stage.world.accounts.values():
        for service in ("cloudformation", "iam", "s3", "sts"):
            stage.world.client(stage.world.root(number), service)
    stage.snapshots()


def _child(judge: Callable[[], Result]) -> tuple[int, int]:
    """Start a child that judges; its number, and where its answer can be read."""
    out, into = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        os.close(into)
        return pid, out
    try:
        os.close(out)
        gc.disable()
        signal.alarm(_LIMIT)
        warnings.simplefilter("ignore")  # moto's about a resource that it does not know, which becomes a verdict
        data = json.dumps(judge().said()).encode()
        while data:
            data = data[os.write(into, data) :]
    except BaseException as error:  # noqa: BLE001 - whatever it is, the mutant has not been judged
        os.write(into, json.dumps({"verdict": SURVIVED, "why": f"{type(error).__name__}: {error}"}).encode())
    finally:
        os._exit(0)


def _limits_differ(grant: _Grant) -> str:
    now = constraints(grant.contract)
    return next((f"{name} takes other values" for name in now if now[name] != grant.limits.get(name)), "")


def _findings(outcomes: Sequence[Outcome]) -> Iterator[Finding]:
    for outcome in outcomes:
        yield from outcome.findings


def _names(outcomes: Sequence[Outcome]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(f"{o.suite}: {o.test.partition('[')[0]}" for o in outcomes))


def _killed(mutant: Mutant, red: Sequence[Outcome], traces: Traces) -> Result:
    named = [f for f in _findings(red) if traces.in_(f)]
    by = _names([o for o in red if right(o.findings, traces)])
    return Result(mutant, KILLED, tests=by, findings=tuple(named[:2]))
