"""Condition keys that depend on each other.

Only combinations that AWS's documentation excludes are excluded. A dependency that it does not state is not used: the
keys are then independent, and the comparison considers more requests than exist.

- A user's name is the end of its ARN (C53, C54).
- A request comes from the internet, through a VPC endpoint, or from a service that calls with the caller's identity
(C61 to C63, C67 to C69, C86).
- The age of an MFA login exists only if MFA was used (C57, C59).
- `aws:CurrentTime` and `aws:EpochTime` are the time of the request (C70).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from grantproof.iam.comparison.automaton import Wanted, find
from grantproof.iam.comparison.points import between, moment, moments, seconds
from grantproof.iam.comparison.values import EPOCH, MISSING, PRESENT, Among, Keys
from grantproof.iam.condition import Test
from grantproof.iam.glob import Glob, Wild
from grantproof.iam.operators import Type
from grantproof.iam.request import Values

#: By key, the tests that have to be true, or false.
Tests = Mapping[str, frozenset[Test]]
#: By key, the possible states in one kind of request; other keys can have any state.
Way = Mapping[str, Among]

_ARN, _NAME = "aws:principalarn", "aws:username"
_NOW = "aws:currenttime"
_CHAIN, _FIRST, _LAST = "aws:calledvia", "aws:calledviafirst", "aws:calledvialast"
_FORWARDED = "aws:viaawsservice"
_GONE: Among = (MISSING,)
_TRUE: Among = (("true",),)
#: Keys of requests through an endpoint that are not passed on (C62, C69), and all of them (C63).
_NETWORK = dict.fromkeys(("aws:sourcevpc", "aws:sourcevpce", "aws:vpcsourceip"), _GONE)
_ENDPOINT = {**_NETWORK, **dict.fromkeys(("aws:vpceaccount", "aws:vpceorgid", "aws:vpceorgpaths"), _GONE)}
_DIRECT: Way = {_FORWARDED: (MISSING, ("false",)), **dict.fromkeys((_CHAIN, _FIRST, _LAST), _GONE)}
_CALLED: Way = {_FORWARDED: _TRUE, **_NETWORK}
#: Groups of keys that depend on each other, each with the possible kinds of request.
_TIES: tuple[tuple[Way, ...], ...] = (
    (
        {**_DIRECT, **_ENDPOINT},
        {**_DIRECT, "aws:sourceip": _GONE},
        # Not every service that calls with the identity of its caller is in the keys of the chain.
        {**_CALLED, **dict.fromkeys((_CHAIN, _FIRST, _LAST), _GONE)},
        {**_CALLED, **dict.fromkeys((_CHAIN, _FIRST, _LAST), PRESENT)},
    ),
    ({"aws:multifactorauthage": _GONE}, {"aws:multifactorauthpresent": _TRUE}),
)
_TIED = tuple(frozenset(key for way in ways for key in way) for ways in _TIES)
_TIMES = {Type.DATE, Type.NUMERIC, Type.NULL}
_NO_TESTS: frozenset[Test] = frozenset()


def together(keys: Keys, true: Tests, false: Tests) -> dict[str, Values] | None:
    """A state of every key in which all of `true` are true and all of `false` are false; None if there is none.

    Raises:
        TooHard: as `Keys.find`.
    """
    out: dict[str, Values] = {}
    for key in sorted({*true, *false}):
        state = keys.find(key, true.get(key, _NO_TESTS), false.get(key, _NO_TESTS))
        if state is None:
            return None
        out[key] = state
    asked = frozenset(out)
    for ways, correlated in zip(_TIES, _TIED, strict=True) if keys.bounds.correlated else ():
        # The generic value of a policy variable is not "true".
        if len(asked & correlated) > 1 and not correlated & keys.bounds.states.keys():
            found = next(_in_some_way(keys, true, false, sorted(asked & correlated), ways), None)
            if found is None:
                return None
            out |= found
    if {_NOW, EPOCH} <= asked and keys.bounds.correlated:
        times = _moment(keys, true, false, out)
        if times is None:
            return None
        out |= times
    named = asked | {_ARN, _NAME}.intersection(keys.bounds.variables)
    if named & {_ARN, _NAME} and _ARN in keys.bounds.shapes and _NAME in keys.bounds.present:
        arn = _arn_and_name(keys, true, false)
        if arn is None:
            return None
        out |= {_ARN: (arn,), _NAME: (arn.rsplit("/", 1)[1],)}
    return out


def _in_some_way(
    keys: Keys, true: Tests, false: Tests, asked: Sequence[str], ways: Iterable[Way]
) -> Iterator[dict[str, Values]]:
    """States of correlated keys, for each way in which a request can have them."""
    for way in ways:
        found = {
            key: keys.find(key, true.get(key, _NO_TESTS), false.get(key, _NO_TESTS), way.get(key)) for key in asked
        }
        states = {key: state for key, state in found.items() if state is not None}
        if len(states) < len(found):
            continue
        if states.get(_CHAIN) and (_FIRST in states or _LAST in states):
            chain = _chain(keys, true, false, states)
            if chain is None:
                continue
            states |= chain
        yield states


def _chain(keys: Keys, true: Tests, false: Tests, states: Mapping[str, Values]) -> dict[str, Values] | None:
    """The services through which a call came, of which the first and the last have keys of their own (C86)."""
    ends = [key for key in (_FIRST, _LAST) if key in states]
    chain, *others = (keys.present(key, true.get(key, _NO_TESTS), false.get(key, _NO_TESTS)) for key in (_CHAIN, *ends))
    found: dict[str, Values]
    if chain.one_at_most:
        value = chain.value([constraint for present in (chain, *others) for constraint in present.all])
        if value is None:
            return None
        found = dict.fromkeys((_CHAIN, *ends), (value,))
    else:
        values = [chain.value([*present.all, *chain.every]) for present in others]
        inner = [chain.value([*chain.every, constraint]) for constraint in chain.some]
        if any(value is None for value in (*values, *inner)):
            return None
        at = {key: value for key, value in zip(ends, values, strict=True) if value is not None}
        row = (at.get(_FIRST), *inner, at.get(_LAST))
        whole = tuple(value for value in row if value is not None)
        found = {_CHAIN: whole, **{key: (value,) for key, value in at.items()}}
    return found if _fit(keys, found, true, false) else None


def _moment(keys: Keys, true: Tests, false: Tests, apart: Mapping[str, Values]) -> dict[str, Values] | None:
    """The time of the request, in both keys. If one is compared with something that is no time, they are treated as
    independent."""
    tests = [test for key in (_NOW, EPOCH) for found in (true, false) for test in found.get(key, ())]
    if {_NOW, EPOCH} & keys.bounds.states.keys() or not {t.operator.type for t in tests} <= _TIMES:
        return {key: apart[key] for key in (_NOW, EPOCH)}
    present = (((moment(value),), (seconds(value),)) for value in between(moments(tests)))
    for states in ((MISSING, MISSING), *present):
        found = dict(zip((_NOW, EPOCH), states, strict=True))
        if _fit(keys, found, true, false):
            return found
    return None


def _fit(keys: Keys, states: Mapping[str, Values], true: Tests, false: Tests) -> bool:
    """Does every test of these keys have the wanted result?"""
    return all(keys.fits(key, state, true.get(key, ()), false.get(key, ())) for key, state in states.items())


def _arn_and_name(keys: Keys, true: Tests, false: Tests) -> str | None:
    """The ARN of a user for which every test of the ARN and of the name has the wanted result."""
    shapes, excluded = keys.bounds.shapes[_ARN]
    wanted: list[Sequence[Wanted]] = [[Wanted(shape) for shape in shapes]]
    unwanted = [Wanted(glob) for glob in excluded]
    for key in (_ARN, _NAME):
        present = keys.present(key, true.get(key, _NO_TESTS), false.get(key, _NO_TESTS))
        some, none = present.languages(present.all)
        if key == _NAME:
            some = [[end for name in group for end in _endings(shapes, name)] for group in some]
            none = [end for name in none for end in _endings(shapes, name)]
        wanted += some
        unwanted += none
    variable = keys.bounds.variables.get(_NAME)
    if variable:
        wanted.append(_endings(shapes, Wanted(Glob((variable[0],)))))
    # A name of at least one character, whatever else.
    wanted.append(_endings(shapes, Wanted(Glob((Wild.ONE, Wild.ANY)))))
    return find(wanted, unwanted, keys.effort) if all(wanted) else None


def _endings(shapes: Iterable[Glob], name: Wanted) -> list[Wanted]:
    """ARNs of users whose name matches a pattern: the name is the text after the last slash."""
    inside = {Wild.ANY: Wild.NAME, Wild.ONE: Wild.NAME_ONE}
    tokens = [inside.get(t, t) if isinstance(t, Wild) else t for t in name.glob.tokens]
    return [
        Wanted(Glob((*shape.tokens[:-1], *path, *tokens)), name.ignore_case)
        for shape in shapes
        for path in ((), (Wild.ONE, Wild.ANY, "/"))
    ]
