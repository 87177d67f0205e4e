"""The clause for an escape that the search found: its patterns, callers, conditions and exceptions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from grantproof.iam.comparison.all_callers import ANYBODY
from grantproof.iam.comparison.caller import Caller
from grantproof.iam.comparison.callers import at_arn
from grantproof.iam.comparison.clause import Clause, Excepted
from grantproof.iam.comparison.escape import Escape
from grantproof.iam.comparison.language import FRESH, overlap, without_covered
from grantproof.iam.comparison.patterns import ACTIONS, RESOURCES, Patterns, bits
from grantproof.iam.comparison.side import Side
from grantproof.iam.condition import Test
from grantproof.iam.glob import Glob, glob
from grantproof.iam.operators import operator
from grantproof.iam.pattern import read
from grantproof.iam.principal import Kind
from grantproof.iam.request import Values


def clause_of(escape: Escape, mine: Side, theirs: Side) -> Clause:
    """The clause for an escape that the search found. Variables whose value is generic are shown as variables."""
    conditions: set[Test] = set()
    for number in escape.positive:
        conditions |= set(mine.statements[number].conditions)
    if escape.denied_by is not None:
        conditions |= set(theirs.statements[escape.denied_by].conditions)
    variables = {**theirs.variables, **mine.variables}
    callers, but = _callers(escape, mine, theirs)
    conditions |= set(_where(variables, escape, callers))
    found_actions = without_covered(piece.glob for piece in escape.actions)
    found_resources = without_covered(piece.glob for piece in escape.resources)
    every = escape.caller.domain.resources
    if set(every) <= set(found_resources):
        found_resources = (*(r for r in found_resources if r not in every), glob("*"))
    return Clause(
        callers=callers,
        actions=found_actions,
        resources=found_resources,
        conditions=frozenset(conditions),
        unless=tuple(dict.fromkeys(frozenset(s.conditions) for s in escape.unless)),
        excepted=_excepted(escape, found_actions, found_resources, mine, theirs),
        variables=tuple((text, key) for key, values in sorted(variables.items()) for text in values if _free(text)),
        but=but,
    )


def _where(variables: Mapping[str, Values], escape: Escape, callers: str) -> Iterator[Test]:
    """The conditions of the clause for variables without a value, or with a particular one."""
    said = escape.caller.states(variables) if callers else {}
    for key, values in variables.items():
        if key in said or any(map(_free, values)):
            continue
        name, wanted = ("StringEquals", values) if values else ("Null", ("true",))
        yield Test(operator(name), key, tuple(read(text, variables=False, wildcards=False) for text in wanted))


def _free(value: str) -> bool:
    """Is the value of a variable generic, or a part of it? Private characters cannot be printed."""
    return not value.isprintable()


def _excepted(
    escape: Escape, acts: tuple[Glob, ...], resources: tuple[Glob, ...], mine: Side, theirs: Side
) -> tuple[Excepted, ...]:
    """The parts of the clause that are the same on both sides, except those that are inside another of these."""
    found = [
        *_outside_of(mine, escape.positive, acts, resources),
        *_outside_of(theirs, () if escape.denied_by is None else (escape.denied_by,), acts, resources),
        *_stopped(escape, acts, resources, mine, theirs),
    ]
    once = list(dict.fromkeys(found))
    if len(once) > _MANY:
        return tuple(once)
    kept: list[Excepted] = []
    for one in once:
        if not any(one.inside(other) for other in kept):
            kept = [*(other for other in kept if not other.inside(one)), one]
    return tuple(kept)


#: With more exceptions than this, those inside another one are not removed.
_MANY = 100


def _outside_of(
    side: Side, firing: Iterable[int], acts: tuple[Glob, ...], resources: tuple[Glob, ...]
) -> Iterator[Excepted]:
    """What the Not elements of statements that fire exclude."""
    for number in firing:
        statement = side.statements[number]
        if statement.not_action:
            yield from (Excepted((g,)) for g in _met(side.patterns(ACTIONS, number), acts))
        if statement.not_resource:
            yield from (Excepted(resources=(g,)) for g in _met(side.patterns(RESOURCES, number), resources))


def _stopped(
    escape: Escape, acts: tuple[Glob, ...], resources: tuple[Glob, ...], mine: Side, theirs: Side
) -> Iterator[Excepted]:
    """The patterns of statements that would have blocked the request with another action or resource."""
    action, resource = escape.actions[0], escape.resources[0]
    for side, blocking, at_action, at_resource in (
        (theirs, escape.blocking_theirs, action.theirs, resource.theirs),
        (mine, escape.blocking_mine, action.mine, resource.mine),
    ):
        for number in bits(blocking & ~(at_action & at_resource)):
            statement = side.statements[number]
            on_action, on_resource = at_action >> number & 1, at_resource >> number & 1
            # A Not element that does not match here matches nowhere in the clause.
            if (statement.not_action and not on_action) or (statement.not_resource and not on_resource):
                continue
            here = () if on_action else tuple(_met(side.patterns(ACTIONS, number), acts))
            there = () if on_resource else tuple(_met(side.patterns(RESOURCES, number), resources))
            if not on_action and not on_resource:
                if here and there:
                    yield Excepted(here, there, frozenset(statement.conditions))
            else:
                yield from (Excepted((g,), (), frozenset(statement.conditions)) for g in here)
                yield from (Excepted((), (g,), frozenset(statement.conditions)) for g in there)


def _met(patterns: Patterns, whole: Iterable[Glob]) -> Iterator[Glob]:
    """The patterns that have a string in common with one of `whole`."""
    yield from dict.fromkeys(g for w in whole for g in patterns.near(w) if overlap(w, g))


def _callers(escape: Escape, mine: Side, theirs: Side) -> tuple[str, tuple[str, ...]]:
    caller = escape.caller
    if caller.open and not caller.states(escape.context):
        return "", ()
    return described(caller), tuple(_told_apart(caller, mine, theirs))


def described(caller: Caller) -> str:
    """A kind of caller in words."""
    principal = caller.principal
    unnamed = FRESH in str(principal)
    account = f" of account {principal.account}" if principal.account else ""
    if caller.of_any_other:
        account = " of any other account"
    match principal.kind:
        case Kind.ANONYMOUS:
            return ANYBODY
        case Kind.ROOT:
            return f"the root user{account}"
        case Kind.ROLE_SESSION if unnamed and FRESH not in (principal.issuer or ""):
            return f"sessions of {principal.issuer}"
        case Kind.FEDERATED_USER if unnamed and FRESH not in (principal.issuer or ""):
            return f"federated user sessions of {principal.issuer}"
        case Kind.SERVICE | Kind.FEDERATED | Kind.CANONICAL:
            return f"any {principal.kind.value}" if unnamed else str(principal.name)
    return f"any {principal.kind.value}{account}" if unnamed else str(principal)


def _told_apart(caller: Caller, mine: Side, theirs: Side) -> Iterator[str]:
    """Of a kind of caller, those that a Principal element names and reaches in another way, which are a kind of their
    own."""
    elements = [s.principals for s in (*mine.statements, *theirs.statements) if s.principals is not None]
    kind = caller.principal
    if kind.arn is None or FRESH not in kind.arn:
        return
    reached = [element.reaches(kind, None) for element in elements]
    for arn in sorted(frozenset[str]().union(*(element.arns for element in elements))):
        for named in at_arn(arn):
            one = named.principal
            alike = (one.kind, one.account, one.partition) == (kind.kind, kind.account, kind.partition)
            inside = FRESH in (kind.issuer or FRESH) or (one.issuer == kind.issuer and FRESH not in str(one))
            if alike and inside and [element.reaches(one, None) for element in elements] != reached:
                yield described(named)
