"""What a change does to access, in the words that all reports share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from grantproof.gate.access import Access
    from grantproof.gate.change import Change, GrantChange

EFFECTS = {"gained": "becomes possible", "lost": "stops being possible"}


def headline(change: Change) -> str:
    """The effect of the whole change in one line."""
    count = len(change.grants)
    of = f"{count} grant{'' if count == 1 else 's'} compared with {change.base}"
    gained = sum(len(grant.gained) for grant in change.grants)
    lost = sum(len(grant.lost) for grant in change.grants)
    doubts = sum(len(grant.doubts) for grant in change.grants)
    notices = sum(len(grant.notices) for grant in change.grants)
    if not (gained or lost or doubts or notices):
        return f"No change in access: {of}."
    beyond = sum(len(grant.uncovered) for grant in change.grants)
    widened = sum(len(grant.widened_with) for grant in change.grants)
    why = [f"{beyond} beyond the contract"] if beyond else []
    why += [f"{widened} BY WIDENING THE CONTRACT"] if widened else []
    parts = [f"{gained} gained" + (f" ({', '.join(why)})" if why else ""), f"{lost} lost"]
    parts += [f"{doubts} not compared"] if doubts else []
    parts += [f"{notices} more to look at"] if notices else []
    return f"Access changes: {', '.join(parts)}; {of}."


def notes(change: Change) -> list[str]:
    """What a reader has to know of the two states: which they are, where that is not what it seems."""
    notes = [change.base.note] if change.base.note else []
    if change.uncommitted:
        first, *others = change.uncommitted
        files = f"{first} is" if not others else f"{first} and {len(others)} more are"
        notes.append(f"the working tree was compared, in which {files} neither committed nor staged")
    return notes


def described(access: Access) -> Iterator[str]:
    """A piece of access in lines: what it is, an example, the statements that allow it, what the contract says."""
    yield f"{access.subject}: {access.clause}"
    if (request := request_words(access.witness)) != access.clause:
        yield f"for example {request}"
    if access.because:
        yield f"{'because of' if access.way == 'gained' else 'it was because of'} {', '.join(access.because)}"
    if access.way == "gained":
        yield promised_by(access)


def request_words(witness: Mapping[str, str]) -> str:
    """The request that shows a piece of access, in words."""
    if witness["action"] == "sends":  # an external destination, which is no request (`access.SENDS`)
        return f"{witness['principal']} sends to {witness['resource']}"
    said = f"{witness['principal']} calls {witness['action']} on {witness['resource']}"
    return said + (f" with {witness['context']}" if "context" in witness else "")


SINCE_THIS_CHANGE = "THE CONTRACT WAS WIDENED for it: promised since this change"


def promised_by(access: Access) -> str:
    """What the contract says about access that is gained."""
    if access.promise is None:
        return "BEYOND THE CONTRACT: no statement covers this. Widen the contract in the same change, or take it out."
    what = SINCE_THIS_CHANGE if access.promise.new else "promised before already"
    return f"{what} by {access.promise.place}"


def shown_grants(change: Change) -> list[GrantChange]:
    """The grants about which there is something to say."""
    return [
        grant
        for grant in change.grants
        if grant.access or grant.doubts or grant.notices or grant.kind in ("new", "deleted")
    ]
