"""Pytest hooks around each test: they turn the findings that a test noted into its outcome.

A process that runs tests attaches each outcome to the report of the test; the main process collects them.
"""

from __future__ import annotations

import json
from collections.abc import Generator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import pytest

from grantproof.evidence.finding import Finding, Outcome, Status
from grantproof.recording.collector import POPULATION, Collector
from grantproof.recording.inputs import ATTRIBUTE, today, waivers
from grantproof.recording.item import can_run, function_of, grant_of, is_placeholder, planned, suite_of
from grantproof.recording.record import Record, discard_record, grouped, not_understood, record_of
from grantproof.source import shown

if TYPE_CHECKING:
    from grantproof.contract import Contract

_COLLECTED = pytest.StashKey[list[pytest.Item]]()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Discard the record of an earlier run of the same test."""
    discard_record(item)


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Fail a test that noted findings, with their texts and without a traceback.

    An exception of `not_understood` becomes a finding with the status `unverified`. A test whose findings are all
    accepted under waivers is skipped, since it did not pass.
    """
    contract = grant_of(pyfuncitem)
    if contract is None:
        return (yield)
    record = record_of(pyfuncitem)
    record.grant = contract.grant
    try:
        result = yield
    except not_understood() as error:
        place = str(getattr(error, "place", None) or shown(contract.path))
        record.unverified("what is asked can be judged", f"not verified: {error}", place=place)
        result = True
    record.findings = _under_waivers(pyfuncitem, contract, record.findings)
    failing = [finding for finding in record.findings if not finding.accepted]
    if failing:
        pytest.fail("\n".join(str(finding) for finding in failing), pytrace=False)
    if record.findings:
        accepted = {f"{f.accepted.owner} until {f.accepted.expires}" for f in record.findings if f.accepted}
        pytest.skip(f"accepted deviation: {', '.join(sorted(accepted))}")
    return result


def _under_waivers(item: pytest.Item, contract: Contract, findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """The findings, with those marked as accepted that a valid waiver accepts."""
    if not findings:
        return ()
    own = next(w for w in waivers(item.config) if w.grant == contract.grant)
    return own.apply(planned(item).id, findings, today(item.config))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep all tests of grants for `pytest_collection_finish`. Runs before other plugins, so that tests that these
    deselect are included."""
    config.stash[_COLLECTED] = [item for item in items if (is_placeholder(item) or grant_of(item)) and can_run(item)]


def pytest_collection_finish(session: pytest.Session) -> None:
    """Record the population: all claims, with those that were deselected marked."""
    collected = session.config.stash.get(_COLLECTED, [])
    if not collected:
        return
    functions = {function_of(item) for item in collected}
    collected = [item for item in collected if not is_placeholder(item)]
    selected = set(session.items)
    claims = [asdict(planned(item, selected=item in selected)) for item in collected]
    session.config.stash[POPULATION] = {"claims": claims, "functions": sorted(functions)}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Attach the outcome to the report as plain data, which pytest-xdist can transfer. The first report of a process
    also carries the population."""
    report = yield
    contract = grant_of(item)
    if contract is None or (report.when != "call" and report.passed):
        return report
    record = record_of(item)
    status, reason = _status(report, call, record)
    outcome = Outcome(
        nodeid=item.nodeid,
        grant=contract.grant,
        suite=suite_of(item),
        test=item.name,
        status=status,
        seconds=report.duration,
        reason=reason,
        proved=record.proved,
        calls=record.calls[0],
        refused=record.calls[1],
        findings=record.findings,
        tried=grouped(contract, record.tried),
    )
    data: dict[str, Any] = {"outcome": outcome.as_dict(), "facts": record.facts}
    if hasattr(item.config, "workerinput") and item.config.stash[POPULATION]:
        data["population"], item.config.stash[POPULATION] = item.config.stash[POPULATION], None
    report.__dict__[ATTRIBUTE] = json.dumps(data)
    return report


def _status(report: pytest.TestReport, call: pytest.CallInfo[None], record: Record) -> tuple[Status, str]:
    """The status of a claim after a phase of its test, and the reason if no finding gives it."""
    if hasattr(report, "wasxfail"):
        return "fail", f"expected to fail: {report.wasxfail}"
    if report.passed:
        return "pass", "; ".join(record.untried)
    message = call.excinfo.exconly() if call.excinfo else "no reason was given"
    if report.skipped:
        accepted = bool(record.findings) and all(finding.accepted for finding in record.findings)
        return ("exception", "") if accepted else ("not run", message.removeprefix("Skipped: "))
    failed = call.excinfo is not None and call.excinfo.errisinstance((AssertionError, pytest.fail.Exception))
    if report.when != "call" or not failed:
        return "error", message.removeprefix("Failed: ")
    if not record.findings:
        return "fail", message
    judged = any(f.status == "broken" and not f.accepted for f in record.findings)
    return ("fail" if judged else "unknown"), ""


def pytest_configure(config: pytest.Config) -> None:
    """Register the collector, with pytest-xdist only in the main process."""
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Collector(config), "grantproof-verdicts")
