"""The grant, the suite and the claim of a pytest item."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from grantproof.evidence.claim import SUITES, Planned
from grantproof.recording.inputs import ON_CALLS, on_real_accounts, recorded
from grantproof.source import shown

if TYPE_CHECKING:
    from grantproof.contract import Contract


def grant_of(item: pytest.Item) -> Contract | None:
    """The contract of the grant for which a test runs; None if it is not a test of a grant."""
    callspec = getattr(item, "callspec", None)
    found = callspec.params.get("grant") if callspec else None
    return found if hasattr(found, "grant") else None


def suite_of(item: pytest.Item) -> str:
    """The suite of a test: the name of its file, without `test_`."""
    return Path(str(item.path)).stem.removeprefix("test_")


def function_of(item: pytest.Item) -> str:
    """The test function of an item as `suite/test`, without its parameters."""
    return f"{suite_of(item)}/{getattr(item, 'originalname', None) or item.name}"


def is_placeholder(item: pytest.Item) -> bool:
    """Is it the item that pytest collects for a test with an empty parameter set?"""
    callspec = getattr(item, "callspec", None)
    return callspec is not None and "grant" in callspec.params and grant_of(item) is None


def can_run(item: pytest.Item) -> bool:
    """Does the test fit this run? With `--snapshot`, only suites that judge exports do; without it, all others. Tests
    that are not of a grant always do."""
    suite = suite_of(item)
    if suite not in (*SUITES, "drift", ON_CALLS) or not (grant_of(item) or is_placeholder(item)):
        return True
    return suite in on_real_accounts(item.config) if recorded(item.config) else suite not in ("drift", ON_CALLS)


def planned(item: pytest.Item, *, selected: bool = True) -> Planned:
    """The claim that a test of a grant makes, before the test has run. `selected`: the test will run."""
    contract = grant_of(item)
    assert contract is not None
    callspec = item.callspec  # type: ignore[attr-defined]  # only parametrized items have one
    subject = callspec.id.removeprefix(contract.grant).removeprefix("-")
    test = function_of(item).partition("/")[2]
    return Planned(item.nodeid, contract.grant, suite_of(item), test, subject, _place(callspec.params), selected)


def _place(params: dict[str, Any]) -> str:
    """`file:line` of what a test is about: the place of its parameter, or else the first line of the contract."""
    for value in params.values():
        for part in value[::-1] if isinstance(value, tuple) else (value,):
            if hasattr(part, "place"):
                return str(part.place)
            if isinstance(part, Path):
                return f"{shown(part)}:1"
    return f"{shown(params['grant'].path)}:1"
