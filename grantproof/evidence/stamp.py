"""The time of a run: SOURCE_DATE_EPOCH, for reproducible reports, or the present time."""

from __future__ import annotations

import os
from datetime import UTC, datetime

#: https://reproducible-builds.org/specs/source-date-epoch/
VARIABLE = "SOURCE_DATE_EPOCH"


class BadStamp(ValueError):
    """SOURCE_DATE_EPOCH is not a number of seconds."""


def from_environment() -> datetime | None:
    """The time of SOURCE_DATE_EPOCH, UTC; None where it is not set.

    Raises:
        BadStamp: its value is not a number of seconds.
    """
    text = os.environ.get(VARIABLE, "")
    if not text:
        return None
    try:
        return datetime.fromtimestamp(int(text.encode("ascii")), UTC)
    except (ValueError, OverflowError, OSError):
        raise BadStamp(f"{VARIABLE} is {text!r}; it is a number of seconds since 1970-01-01 UTC.") from None


def now() -> datetime:
    """The time of the run, UTC, in whole seconds.

    Raises:
        BadStamp: as `given`.
    """
    return from_environment() or datetime.now(UTC).replace(microsecond=0)


def text(time: datetime) -> str:
    """A time in the format of reports: `2026-11-25T18:00:00Z`."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")
