"""The inputs of a run: grants, exports of real accounts, waivers, and the day on which waivers are judged.

Each is read once per process, and the modules that read it are imported only then, so that other projects' test runs
with the plugin installed do not become slower.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from grantproof.evidence import stamp
from grantproof.evidence.claim import ON_SNAPSHOTS
from grantproof.evidence.waivers import Waivers, load
from grantproof.source import SourceError

if TYPE_CHECKING:
    from grantproof.aws.real.recorded import Recorded
    from grantproof.aws.real.trial_run import Answer
    from grantproof.contract import Contract

#: The suite that judges the outcomes of calls tried against real accounts.
ON_CALLS = "calls"
#: The attribute of a report, and key of a worker's input, that carries our data; xdist transfers a report's __dict__.
ATTRIBUTE = "grantproof"

_CONTRACTS = pytest.StashKey[tuple["Contract", ...]]()
_RECORDED = pytest.StashKey[dict[str, "Recorded"]]()
_WAIVERS = pytest.StashKey[tuple["Waivers", ...]]()
_TODAY = pytest.StashKey[date]()


def contracts(config: pytest.Config) -> tuple[Contract, ...]:
    """The contracts of every grant below `--grants`, read once per process.

    Raises:
        pytest.UsageError: a contract cannot be read, or there is none.
    """
    if _CONTRACTS not in config.stash:
        from grantproof.contract import ContractError, find

        try:
            config.stash[_CONTRACTS] = find(Path(config.getoption("--grants")))
        except ContractError as error:
            raise pytest.UsageError(str(error)) from None
    return config.stash[_CONTRACTS]


def recorded(config: pytest.Config) -> dict[str, Recorded]:
    """With `--snapshot`, the exports of each grant, by its name; without it, empty.

    Raises:
        pytest.UsageError: an export cannot be read, or lacks something that the contracts need.
    """
    if not config.getoption("--snapshot"):
        return {}  # before the import below, which takes a second
    if _RECORDED not in config.stash:
        from grantproof.aws.real import export, recorded

        try:
            exports = {
                alias: export.read_export(path) for alias, path in export.named(config.getoption("--snapshot")).items()
            }
            config.stash[_RECORDED] = recorded.recorded(contracts(config), exports)
        except export.ExportRefused as error:
            raise pytest.UsageError(str(error)) from None
    return config.stash[_RECORDED]


def answers(config: pytest.Config, grant: str) -> list[Answer]:
    """The outcomes of the calls that `verify --try-calls` made for a grant; empty without `--calls`."""
    file = config.getoption("--calls")
    if not file:
        return []
    from grantproof.aws.real import trial_run

    return trial_run.read(Path(file)).get(grant, [])


def waivers(config: pytest.Config) -> tuple[Waivers, ...]:
    """The waivers of every grant below `--grants`, read once per process.

    Raises:
        pytest.UsageError: a file of waivers cannot be read.
    """
    if _WAIVERS not in config.stash:
        try:
            config.stash[_WAIVERS] = tuple(load(contract.path, contract.grant) for contract in contracts(config))
        except SourceError as error:
            raise pytest.UsageError(str(error)) from None
    return config.stash[_WAIVERS]


def on_real_accounts(config: pytest.Config) -> tuple[str, ...]:
    """The suites that judge exports; the one that judges tried calls only with `--calls`."""
    return (*ON_SNAPSHOTS, ON_CALLS) if config.getoption("--calls") else ON_SNAPSHOTS


def today(config: pytest.Config) -> date:
    """The day on which waivers are judged, in UTC; the same in every process of a run."""
    if _TODAY not in config.stash:
        given = getattr(config, "workerinput", {}).get(ATTRIBUTE)
        config.stash[_TODAY] = date.fromisoformat(given) if given else stamp.now().date()
    return config.stash[_TODAY]
