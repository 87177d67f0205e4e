"""Numbers, dates, addresses and so on: the values at which a test changes its result, and one between each two."""

from __future__ import annotations

import base64
import ipaddress
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from grantproof.iam.condition import Test
from grantproof.iam.operators import Type
from grantproof.iam.typed import EXACT, date, network, number


def points(type_: Type, texts: Sequence[str]) -> Iterator[str]:
    """Values that distinguish all tests of one type with these `texts` as values; empty for text."""
    if type_ in _POINTS:
        yield from _POINTS[type_](texts)


def between(values: Iterable[Decimal]) -> Iterator[Decimal]:
    """Every value, one between each two neighbours, one below all and one above all."""
    ordered = sorted(set(values))
    if not ordered:
        return
    yield EXACT.subtract(ordered[0], Decimal(1))
    for here, following in zip(ordered, [*ordered[1:], EXACT.add(ordered[-1], Decimal(2))], strict=True):
        yield here
        middle = EXACT.divide(EXACT.add(here, following), Decimal(2))
        whole = middle.to_integral_value(context=EXACT)
        yield whole if here < whole < following else middle


def _numbers(texts: Sequence[str]) -> Iterator[str]:
    values = [value for text in texts if (value := number(text)) is not None]
    yield from (f"{value:f}" for value in between(values or [Decimal(0)]))


def _dates(texts: Sequence[str]) -> Iterator[str]:
    values = [value for text in texts if (value := date(text)) is not None]
    yield from map(moment, between(values or [Decimal(1_700_000_000)]))


def moments(tests: Iterable[Test]) -> list[Decimal]:
    """The times that tests name, as dates or as numbers, in seconds since the epoch; an arbitrary time if there are
    none."""
    read = [(date if t.operator.type is Type.DATE else number)(p.text) for t in tests for p in t.values]
    return [value for value in read if value is not None] or [Decimal(1_700_000_000)]


def seconds(value: Decimal) -> str:
    """Seconds since the epoch as a text that cannot be read as a year."""
    text = f"{value:f}"
    return f"{text}.0" if re.fullmatch("[0-9]{4}", text) else text


def moment(value: Decimal) -> str:
    """A time as a date, or in seconds since the epoch if it is too far away for a date."""
    microseconds = EXACT.multiply(value, Decimal(1_000_000))
    if microseconds != microseconds.to_integral_value(context=EXACT):
        return seconds(value)
    try:
        found = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=int(microseconds))
    except OverflowError:
        return seconds(value)
    return found.isoformat().replace("+00:00", "Z")


def _addresses(texts: Sequence[str]) -> Iterator[str]:
    # Under the other reading of O16 an IPv6 address without a prefix length is a whole /32.
    networks = [n for text in texts for prefix in (128, 32) if (n := network(text, prefix)) is not None]
    for version, most in ((4, 2**32), (6, 2**128)):
        make: Callable[[int], object] = ipaddress.IPv4Address if version == 4 else ipaddress.IPv6Address
        points = {0}
        for net in networks:
            if net.version == version:
                first, last = int(net.network_address), int(net.broadcast_address)
                points |= {first, last + 1}
        yield from (str(make(point)) for point in sorted(points) if point < most)


def _booleans(_: Sequence[str]) -> Iterator[str]:
    yield from ("true", "false")


def _binaries(texts: Sequence[str]) -> Iterator[str]:
    yield from texts
    yield base64.b64encode("".join(texts).encode() + b"other").decode()


_POINTS: Mapping[Type, Callable[[Sequence[str]], Iterator[str]]] = {
    Type.NUMERIC: _numbers,
    Type.DATE: _dates,
    Type.IP: _addresses,
    Type.BOOL: _booleans,
    Type.BINARY: _binaries,
}
