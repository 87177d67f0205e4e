"""What a run over a fleet prints: each deployment that is not verified, the progress, and the verdict."""

from __future__ import annotations

import sys
import time

from grantproof.fleet.judge import Judgement
from grantproof.fleet.plan import Shard
from grantproof.fleet.run import Totals

_EVERY = 0.5
_QUIET = 15.0


def broken(found: Judgement) -> None:
    """Print a deployment that is not verified."""
    _clear()
    print(f"NOT VERIFIED  {found.name}  (line {found.line})")
    for said in found.findings:
        print("  " + said.replace("\n", "\n  "), flush=True)


class Progress:
    """On a terminal, one line that is overwritten; otherwise a line from time to time."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def __call__(self, totals: Totals, seconds: float) -> None:
        now, terminal = time.monotonic(), sys.stderr.isatty()
        if now - self._last < (_EVERY if terminal else _QUIET) and totals.done < totals.planned:
            return
        self._last = now
        _clear()
        print(line(totals, seconds), end="" if terminal else "\n", file=sys.stderr, flush=True)
        if totals.done == totals.planned:
            _clear()


def line(totals: Totals, seconds: float) -> str:
    """The progress of a run, in one line."""
    new = totals.done - totals.kept
    left = seconds / new * (totals.planned - totals.done) if new else 0.0
    text = f"{totals.done:,} of {totals.planned:,} deployments, {totals.roles:,} roles"
    if failed := totals.done - totals.verified:
        text += f", {failed:,} not verified"
    return text + (f", {left:,.0f} s left" if totals.done < totals.planned else f", {seconds:,.0f} s")


def verdict(totals: Totals, shard: Shard) -> list[str]:
    """The last lines of the output."""
    word = "VERIFIED" if totals.all_verified else "NOT VERIFIED"
    part = "" if shard.of == 1 else f" of shard {shard}"
    lines = [
        f"{word}  {totals.verified:,} of {totals.planned:,} deployments{part}",
        f"  {totals.roles:,} roles read; {totals.proved:,} statements proved; "
        "not run on snapshots: lint, variants, deployment, access",
    ]
    if totals.kept:
        lines.append(f"  {totals.kept:,} of them were verified in an earlier run, of the same contracts and snapshots")
    return lines


def _clear() -> None:
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr, flush=True)
