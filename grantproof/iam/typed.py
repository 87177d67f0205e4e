"""Parses numbers, dates, binary values and addresses in conditions (rules C36 to C42)."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from datetime import UTC, datetime
from decimal import Context, Decimal, InvalidOperation
from functools import lru_cache


@lru_cache(maxsize=4096)
def number(text: str) -> Decimal | None:
    """A number of rule C36, or None, as for one that is too long to be one."""
    if len(text) > _LONGEST or not _NUMBER.fullmatch(text.strip()):
        return None
    try:
        found = Decimal(text.strip())
    except InvalidOperation:
        return None
    return found if not found or abs(found.adjusted()) <= _LONGEST else None


#: The most characters of a number, and the greatest exponent: `EXACT` calculates with these without rounding.
_LONGEST = 1000
#: How numbers of policies are calculated with: between two of them that differ, there is always another one.
EXACT = Context(prec=5 * _LONGEST)
# What else Python takes for a number (1_000, digits of other scripts) is none in a policy.
_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
_EPOCH = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_DATE = re.compile(r"\d{4}(-\d\d(-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?)?)?)?")


@lru_cache(maxsize=4096)
def date(text: str) -> Decimal | None:
    """A W3C ISO 8601 date, or seconds since the epoch (rule C37), as seconds since the epoch; or None.

    A date without a time zone is in UTC. Four digits are a year, as in the W3C's form, and not seconds.
    """
    if _EPOCH.fullmatch(text) and not (len(text) == 4 and text.isdigit()):
        return Decimal(text) if len(text) <= _LONGEST else None
    if not _DATE.fullmatch(text):
        return None
    full = text + {4: "-01-01", 7: "-01"}.get(len(text), "")
    try:
        moment = datetime.fromisoformat(full)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return Decimal(since.days * 86400 + since.seconds) + Decimal(since.microseconds) / 1_000_000


def decoded(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


# Without netmasks (10.0.0.0/255.0.0.0) and zones (fe80::1%eth0), which Python reads too.
_ADDRESS = re.compile(r"[0-9A-Fa-f.:]+(/[0-9]{1,3})?")
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@lru_cache(maxsize=4096)
def network(text: str, ipv6_prefix: int = 128) -> Network | None:
    """An address or CIDR range (rules C41, C42), or None. Bits beyond the mask are ignored."""
    if ":" in text and "/" not in text:
        text = f"{text}/{ipv6_prefix}"
    if not _ADDRESS.fullmatch(text):
        return None
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None
