"""Policy variables in a comparison: which values of them can matter.

A variable whose value is nothing in particular is a text that no pattern spells out, and is treated as such. Others
matter only where they make a pattern with the variable meet another pattern, or where a condition on the variable's
own key names them; those are found here. Where the values cannot matter at all, that is seen first, and cheaply.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import combinations, product, takewhile

from grantproof.iam.comparison.callers import Caller
from grantproof.iam.comparison.language import FRESH, TooHard, covers, fragments, generic_point, intersection, overlap
from grantproof.iam.comparison.patterns import EVERY_RESOURCE, Patterns
from grantproof.iam.comparison.services import service_of
from grantproof.iam.comparison.values import MISSING
from grantproof.iam.condition import Type
from grantproof.iam.document import Statement
from grantproof.iam.glob import ONE_OF, Glob, Token, Wild
from grantproof.iam.layers import Layers
from grantproof.iam.pattern import Pattern, Variable
from grantproof.iam.request import Values

#: The first of the private characters that stand for values that are nothing in particular, one for each variable.
FIRST = 0xE100
#: The longest of such values; every variable has so many characters of its own.
MOST_LENGTH = 8
#: Stands for what is free in a special value, as `FRESH` does elsewhere.
_FREE = "\ue001"
Parts = tuple[Token | Variable, ...]

_MOST_SPECIAL = 32
_MOST_ASSIGNMENTS = 256


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
    (Not forms) or has in common with another one; nor on lengths, nor on conditions with the values. That it is
    an ARN has to be plain, too.
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
            if statement.not_resource or (any(v.key in free for v in pattern.variables) and not is_arn):
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
    variables: frozenset[str], caller: Caller, statements: tuple[Statement, ...], *, fields: bool = False
) -> Iterator[dict[str, Values]]:
    """The other assignments that can matter: a variable without value, with a shorter value, and with each value by
    which a pattern with the variable meets another pattern, or which a condition on its own key names.

    Args:
        statements: those that can matter; variables of which none of them speaks keep their value.
        fields: whether wildcards of resources stop at colons, which a value may hold (O5).

    Raises:
        TooHard: there are too many of them, or some can matter that are not found like this.
    """
    length = longest(statements)
    generic = generic_values(variables, caller, length)
    settled = caller.states(variables)
    asked = {v.key for patterns in _comparable(statements) for pattern in patterns for v in pattern.variables}
    asked |= {test.key for statement in statements for test in statement.conditions}
    choices: list[list[Values]] = []
    total = 1
    for key in sorted(variables):
        choices.append([generic[key]])
        if key in asked and key not in settled:
            shorter = [generic_values(variables, caller, size)[key] for size in range(1, length)]
            shorter += [(f"{_FREE}:{_FREE}",)] if fields else []
            choices[-1] += [MISSING, *shorter, *((text,) for text in _values_of(key, generic, statements, length))]
        total *= len(choices[-1])
    if total > _MOST_ASSIGNMENTS:
        raise TooHard(f"the policy variables have {total} combinations of values that may matter")
    for number, values in enumerate(product(*choices)):
        if number:
            yield dict(zip(sorted(variables), values, strict=True))
    # A difference that one of those values makes is one, whatever others do.
    for key in sorted(asked & variables - settled.keys()):
        entangled = [*_entangled(key, statements)]
        for text in dict.fromkeys(text for pair in entangled for parts in pair for text in _ends(parts)):
            yield {**generic, key: (text,)}
        if entangled:
            raise TooHard(f"the policy variable {key} stands at different places of patterns that may meet")


def _entangled(key: str, statements: tuple[Statement, ...]) -> Iterator[tuple[Parts, Parts]]:
    """Two patterns in which the variable stands at different places may meet for values that are made for it: `a${v}`
    and `${v}*` meet where the value is nothing but `a`s. Each such two, without what both begin or end with."""
    for patterns in _comparable(statements):
        holding = [pattern.parts for pattern in patterns if any(v.key == key for v in pattern.variables)]
        for one, other in combinations(holding, 2):
            left, right = _stripped(*_stripped(one, other, forwards=True), forwards=False)
            if _may_meet(key, left, right):
                yield left, right


def _ends(parts: Parts) -> Iterator[str]:
    """The literal text with which a pattern begins, and with which it ends."""
    for letters in (parts, parts[::-1]):
        text = "".join(str(part) for part in takewhile(lambda part: isinstance(part, str), letters))
        if text:
            yield text if letters is parts else text[::-1]


def _may_meet(key: str, left: Parts, right: Parts) -> bool:
    if not (_holds(key, left) and _holds(key, right)):
        return False
    if not any(isinstance(part, Wild) for part in (*left, *right)):
        # Without wildcards and with the variable as often, both have to be of one length.
        fixed = [sum(len(part) for part in parts if isinstance(part, str)) for parts in (left, right)]
        variables = [sorted(part.key for part in parts if isinstance(part, Variable)) for parts in (left, right)]
        if variables[0] == variables[1] and fixed[0] != fixed[1]:
            return False
    free = [Glob(Wild.ANY if isinstance(part, Variable) else part for part in parts) for parts in (left, right)]
    return overlap(*free)


def _holds(key: str, parts: Parts) -> bool:
    return any(isinstance(part, Variable) and part.key == key for part in parts)


def _stripped(one: Parts, other: Parts, *, forwards: bool) -> tuple[Parts, Parts]:
    """Both without the literal text and the variables with which both begin, or end."""
    at = 0 if forwards else -1
    left, right = list(_letters(one)), list(_letters(other))
    while left and right and left[at] == right[at] and not isinstance(left[at], Wild):
        left.pop(at)
        right.pop(at)
    return tuple(left), tuple(right)


def _letters(parts: Parts) -> Iterator[Token | Variable]:
    for part in parts:
        yield from part if isinstance(part, str) else (part,)


def _values_of(
    key: str, generic: Mapping[str, Values], statements: tuple[Statement, ...], longest_counted: int
) -> list[str]:
    found: dict[Glob, None] = {}
    for statement in statements:
        for test in statement.conditions:
            if test.key == key and test.operator.type in (Type.STRING, Type.ARN):
                found.update((filled(pattern, generic), None) for pattern in test.values)
    for patterns in _comparable(statements):
        places = [place for pattern in patterns for place in _around(pattern, key, generic)]
        wholes = [filled(pattern, generic, key) for pattern in patterns] if places else []
        for before, after in dict.fromkeys(places):
            found.update((part, None) for whole in wholes for part in fragments(before, after, whole))
    closed = list(found)
    for one in closed:
        closed += [p for other in closed for p in intersection(one, other) if p not in closed]
        if len(closed) > _MOST_SPECIAL:
            raise TooHard(f"the policy variable {key} meets other patterns in too many ways")
    texts = dict.fromkeys(text for one in closed for text in _points(one, longest_counted))
    return [text for text in texts if text]


def _points(glob: Glob, longest_counted: int) -> Iterator[str]:
    """Strings that stand for all of a pattern's: where other patterns count characters, with as many for each `*` as
    can be told apart.

    Raises:
        TooHard: there are too many of them.
    """
    stars = sum(token in ONE_OF for token in glob.tokens)
    if longest_counted == 1 or not stars:
        yield generic_point(glob).replace(FRESH, _FREE)
        return
    if (longest_counted + 1) ** stars > _MOST_SPECIAL:
        raise TooHard("values of policy variables meet patterns that count characters in too many ways")
    for sizes in product(range(longest_counted + 1), repeat=stars):
        free = iter(sizes)
        yield "".join(
            token if isinstance(token, str) else _FREE * (next(free) if token in ONE_OF else 1) for token in glob.tokens
        )


def _comparable(statements: tuple[Statement, ...]) -> Iterator[list[Pattern]]:
    """Patterns that are compared with the same text: all of resources, and those of each condition key."""
    yield list(dict.fromkeys(pattern for statement in statements for pattern in statement.resources or ()))
    by_key: dict[str, dict[Pattern, None]] = {}
    for statement in statements:
        for test in statement.conditions:
            by_key.setdefault(test.key, {}).update(dict.fromkeys(test.values))
    yield from (list(patterns) for patterns in by_key.values())


def filled(pattern: Pattern, values: Mapping[str, Values], free: str = "") -> Glob:
    """A pattern with the values of its variables, and any text for the variable `free` and for those without value."""
    if pattern.fixed is not None:
        return pattern.fixed
    tokens = []
    for part in pattern.parts:
        if not isinstance(part, Variable):
            tokens.append(part)
        elif part.key == free or not values.get(part.key):
            tokens.append(Wild.ANY)
        else:
            tokens.append(values[part.key][0])
    return Glob(tokens)


def _around(pattern: Pattern, key: str, values: Mapping[str, Values]) -> Iterator[tuple[Glob, Glob]]:
    """What stands before and after each place of a variable."""
    for at, part in enumerate(pattern.parts):
        if isinstance(part, Variable) and part.key == key:
            before, after = (
                replace(pattern, parts=parts, fixed=None) for parts in (pattern.parts[:at], pattern.parts[at + 1 :])
            )
            yield filled(before, values, key), filled(after, values, key)
