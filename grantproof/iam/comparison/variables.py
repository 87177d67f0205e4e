"""Policy variables in a comparison: which values of them can matter.

A variable whose value is nothing in particular is a text that no pattern spells out, and is treated as such. Others
matter only where they make a pattern with the variable meet another pattern, or where a condition on the variable's
own key names them; those are found here. Where the values cannot matter at all, that is seen first, and cheaply.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import permutations, product

from grantproof.iam.comparison.caller import Caller
from grantproof.iam.comparison.effort import TooHard
from grantproof.iam.comparison.entangled import Needed, Parts, entangled, keys_of, made, needed, told_apart
from grantproof.iam.comparison.language import (
    FRESH,
    covers,
    fragments,
    generic_point,
    intersection,
    overlap,
    without_covered,
)
from grantproof.iam.comparison.patterns import EVERY_RESOURCE, Patterns
from grantproof.iam.comparison.services import service_of
from grantproof.iam.comparison.values import MISSING
from grantproof.iam.document import Statement
from grantproof.iam.glob import ONE_OF, Glob, Wild
from grantproof.iam.layers import Layers
from grantproof.iam.operators import Type
from grantproof.iam.pattern import Pattern, Variable
from grantproof.iam.request import Values

#: The first of the private characters that stand for values that are nothing in particular, one for each variable.
FIRST = 0xE100
#: The longest of such values; every variable has so many characters of its own.
MOST_LENGTH = 8
_MOST_SPECIAL = 32
_MOST_ASSIGNMENTS = 512


def generic_values(variables: frozenset[str], caller: Caller, length: int = 1) -> dict[str, Values]:
    """Every variable with a value that is nothing in particular, but for those that the caller settles.

    Args:
        length: of the values, which matters to patterns that count characters.

    Raises:
        TooHard: `aws:PrincipalArn` stands as a variable, for callers whose name is free.
    """
    if not variables:
        return {}
    settled = caller.states(variables)
    if "aws:principalarn" in variables and caller.names:
        raise TooHard("aws:PrincipalArn stands as a policy variable")
    return {
        key: settled[key][0] if key in settled else (_nothing_in_particular(number, length),)
        for number, key in enumerate(sorted(variables))
    }


def _nothing_in_particular(number: int, length: int) -> str:
    """Private characters, all different."""
    return "".join(chr(FIRST + number * MOST_LENGTH + at) for at in range(length))


def longest(statements: Iterable[Statement]) -> int:
    """How long a value has to be so that no pattern can count it: one more than the `?` of any pattern that may match a
    text in which a variable's value stands.

    Raises:
        TooHard: too long.
    """
    counted = max(_counted(tuple(statements)), default=0)
    if counted >= MOST_LENGTH:
        raise TooHard("policy variables meet patterns that count many characters")
    return 1 + counted


def _counted(statements: tuple[Statement, ...]) -> Iterator[int]:
    for patterns in _comparable(statements):
        holding = [filled(pattern, {}) for pattern in patterns if pattern.fixed is None]
        for pattern in patterns:
            count = pattern.text.count("?")
            if count and any(overlap(filled(pattern, {}), other) for other in holding):
                yield count
    variables = {v.key for patterns in _comparable(statements) for p in patterns for v in p.variables}
    for test in (test for statement in statements for test in statement.conditions if test.key in variables):
        yield from (pattern.text.count("?") for pattern in test.values)


def settled_by_generic(inner: Layers, outer: Layers, free: frozenset[str]) -> bool:
    """Does what holds for variables' values that are nothing in particular hold for all values? `free`: the variables
    that the caller does not settle. `outer` has no Deny that `inner` has not.

    A pattern that matches another's generic point, with such values in it, matches all that the other matches, for any
    values at all: the same parts take the same parts. So it is where nothing rests on what a pattern does *not* match
    (Not forms) or has in common with another one; nor on lengths, nor on conditions with the values, nor on a default,
    which matches without value what the generic point does not show. That it is an ARN has to be plain, too.
    """
    sides = (inner, outer)
    limits = (inner.resource, inner.boundary, inner.session, inner.scp, inner.rcp, inner.endpoint)
    statements = tuple(s for side in sides for _, _, policies in side.sets for _, s in policies.entries)
    if any(limit is not None for limit in limits) or inner.grants or longest(statements) > 1:
        return False
    for statement in statements:
        for pattern in statement.resources or ():
            with_values = filled(pattern, {v.key: (FRESH,) for v in pattern.variables})
            is_arn = covers(EVERY_RESOURCE[1], with_values)
            held = [v for v in pattern.variables if v.key in free]
            if statement.not_resource or (held and not is_arn) or any(v.default is not None for v in held):
                return False
        for test in statement.conditions:
            if test.key in free or any(v.key in free for pattern in test.values for v in pattern.variables):
                return False
    return True


def relevant(inner: Layers, outer: Layers) -> tuple[Statement, ...]:
    """The statements that may fire on a request that `inner` allows: the others cannot matter to what it allows and
    `outer` does not."""
    of_inner, of_outer = ([s for _, _, policies in side.sets for _, s in policies.entries] for side in (inner, outer))
    allows = [s for s in of_inner if s.allow]
    if any(s.not_action for s in allows):
        return (*of_inner, *of_outer)
    allowed = Patterns((one for s in allows for one in s.actions), service_of)

    def may_fire(statement: Statement) -> bool:
        met = (overlap(one, other) for one in statement.actions for other in allowed.near(one))
        return statement.not_action or any(met)

    return (*allows, *(s for s in of_inner if not s.allow and may_fire(s)), *filter(may_fire, of_outer))


def special_values(
    variables: frozenset[str], caller: Caller, inner: Layers, outer: Layers, *, fields: bool = False
) -> Iterator[dict[str, Values]]:
    """The other assignments that can matter to what `inner` allows and `outer` does not: a variable without value,
    with a shorter value, and with each value by which a pattern with the variable meets another pattern, or which a
    condition on its own key names; of several variables each in view of the values of those before it.

    Args:
        fields: whether wildcards of resources stop at colons, which a value may hold (O5).

    Raises:
        TooHard: there are too many of them, or some can matter that are not found like this.
    """
    statements = relevant(inner, outer)
    length = longest(statements)
    generic = generic_values(variables, caller, length)
    free = frozenset(_asked(statements) & variables - caller.states(variables).keys())
    order = sorted(free)
    patterns = needed(inner, outer, statements)
    values = _Values(generic, patterns, statements, length, order, fields)
    fixed = {key: value for key, value in generic.items() if key not in free}
    seen = {tuple(generic.items())}
    # Which variable comes first makes no difference to what is found, but to what is seen of it at once.
    for keys in dict.fromkeys((tuple(order), tuple(order[::-1]))):
        for found in values.assignments(keys, fixed):
            assignment = {key: found[key] for key in generic}
            if (at := tuple(assignment.items())) not in seen:
                seen.add(at)
                yield assignment
            if len(seen) > _MOST_ASSIGNMENTS:
                raise TooHard(f"the policy variables have more than {_MOST_ASSIGNMENTS} values that may matter")
    # A difference that one of those values makes is one, whatever others do.
    together = entangled(patterns, free)
    for pair in together:
        yield from ({**generic, **{key: (text,) for key, text in some.items()}} for some in made(pair))
    if together:
        names = " and ".join(sorted(together[0].keys))
        raise TooHard(f"the policy variable {names} stands at different places of patterns that may meet")


def _asked(statements: tuple[Statement, ...]) -> set[str]:
    """The keys of which these statements speak."""
    found = {v.key for patterns in _comparable(statements) for pattern in patterns for v in pattern.variables}
    return found | {test.key for statement in statements for test in statement.conditions}


class _Values:
    """The values of variables that can matter, one variable after the other."""

    def __init__(
        self,
        generic: Mapping[str, Values],
        patterns: Sequence[Needed],
        statements: tuple[Statement, ...],
        longest_counted: int,
        keys: Sequence[str],
        fields: bool,
    ) -> None:
        self._generic, self._longest, self._fields = generic, longest_counted, fields
        self._asked: dict[str, dict[Parts, None]] = {}
        for subject, parts in _subjects(patterns, statements):
            self._asked.setdefault(subject, {})[parts] = None
        self._numbers = {key: number for number, key in enumerate(keys)}

    def assignments(self, keys: Sequence[str], chosen: Mapping[str, Values]) -> Iterator[Mapping[str, Values]]:
        """Every combination, with those that are chosen."""
        if not keys:
            yield chosen
            return
        key, *rest = keys
        for value in self._of(key, chosen):
            yield from self.assignments(rest, {**chosen, key: value})

    def _of(self, key: str, chosen: Mapping[str, Values]) -> Iterator[Values]:
        """The values of one variable in view of those that are chosen; the others may have any."""
        value = self._generic[key]
        yield value
        yield MISSING
        yield from ((value[0][:size],) for size in range(1, self._longest))
        number = self._numbers[key]
        if self._fields:
            yield (told_apart(f"{FRESH}:{FRESH}", number),)
        texts = (text for one in self._closed(key, chosen) for text in _points(one, self._longest, number))
        yield from ((text,) for text in dict.fromkeys(texts) if text)

    def _closed(self, key: str, chosen: Mapping[str, Values]) -> list[Glob]:
        """What a pattern or a condition asks of the variable, and what several of them ask together."""
        closed = list(dict.fromkeys((*self._by_conditions(key, chosen), *self._by_meeting(key, chosen))))
        for one in closed:
            closed += [p for other in closed for p in intersection(one, other) if p not in closed]
            if len(closed) > _MOST_SPECIAL:
                raise TooHard(f"the policy variable {key} meets other patterns in too many ways")
        return closed

    def _by_conditions(self, key: str, chosen: Mapping[str, Values]) -> Iterator[Glob]:
        return (_filled(parts, chosen) for parts in self._asked.get(key, ()))

    def _by_meeting(self, key: str, chosen: Mapping[str, Values]) -> Iterator[Glob]:
        meetings: dict[tuple[Glob, Glob, Glob], bool] = {}
        # Not only what has to match: a third pattern may leave nothing but what two others share.
        for one, other in (pair for parts in self._asked.values() for pair in permutations(parts, 2)):
            # Of a part that lies in another one, a variable that is chosen later may make the only one.
            alone = all(v == key or v in chosen for v in keys_of((*one, *other)))
            for before, after in _around(one, key, chosen):
                meeting = before, after, _filled(other, chosen, key)
                meetings[meeting] = alone and meetings.get(meeting, True)
        for (before, after, whole), alone in meetings.items():
            found = fragments(before, after, whole)
            yield from without_covered(found) if alone else found


def _subjects(patterns: Iterable[Needed], statements: Iterable[Statement]) -> Iterator[tuple[str, Parts]]:
    """The patterns by what they speak of: a condition key, or the resource."""
    yield from ((one.subject, one.parts) for one in patterns)
    for statement in statements:
        yield from (("", pattern.parts) for pattern in statement.resources or ())
        for test in statement.conditions:
            if test.operator.type in (Type.STRING, Type.ARN):
                yield from ((test.key, pattern.parts) for pattern in test.values)


def _points(glob: Glob, longest_counted: int, number: int) -> Iterator[str]:
    """Strings that stand for all of a pattern's: where other patterns count characters, with as many for each `*` as
    can be told apart. `number`: of the variable.

    Raises:
        TooHard: there are too many of them.
    """
    stars = sum(token in ONE_OF for token in glob.tokens)
    if longest_counted == 1 or not stars:
        yield told_apart(generic_point(glob), number)
        return
    if (longest_counted + 1) ** stars > _MOST_SPECIAL:
        raise TooHard("values of policy variables meet patterns that count characters in too many ways")
    for sizes in product(range(longest_counted + 1), repeat=stars):
        free = iter(sizes)
        yield told_apart(
            "".join(t if isinstance(t, str) else FRESH * (next(free) if t in ONE_OF else 1) for t in glob.tokens),
            number,
        )


def _comparable(statements: tuple[Statement, ...]) -> Iterator[list[Pattern]]:
    """Patterns that are compared with the same text: all of resources, and those of each condition key."""
    yield list(dict.fromkeys(pattern for statement in statements for pattern in statement.resources or ()))
    by_key: dict[str, dict[Pattern, None]] = {}
    for statement in statements:
        for test in statement.conditions:
            by_key.setdefault(test.key, {}).update(dict.fromkeys(test.values))
    yield from (list(patterns) for patterns in by_key.values())


def filled(pattern: Pattern, values: Mapping[str, Values]) -> Glob:
    """A pattern with the values of its variables, and any text for those without value."""
    return pattern.fixed or _filled(pattern.parts, values)


def _filled(parts: Parts, values: Mapping[str, Values], free: str = "") -> Glob:
    """The same, with any text for the variable `free` too."""
    tokens = []
    for part in parts:
        if not isinstance(part, Variable):
            tokens.append(part)
        elif part.key == free or not values.get(part.key):
            tokens.append(Wild.ANY)
        else:
            tokens.append(values[part.key][0])
    return Glob(tokens)


def _around(parts: Parts, key: str, values: Mapping[str, Values]) -> Iterator[tuple[Glob, Glob]]:
    """What stands before and after each place of a variable."""
    for at, part in enumerate(parts):
        if isinstance(part, Variable) and part.key == key:
            yield _filled(parts[:at], values, key), _filled(parts[at + 1 :], values, key)
