"""Do two sets of policies allow the same, over all requests? And what does one allow that the other does not?

Exact over every string: actions that AWS adds later, every resource, every condition key present or absent. Each
difference comes with a request that shows it, and that request has been decided by the evaluator on both sides before
anybody sees it. What could not be decided is never called equal: it is undetermined, with the reason.

Left out: service-linked roles as callers (their policies are AWS's, rule T31); several values of a key that some plain
operator tests, of which AWS does not say what they mean (O24).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from functools import cached_property
from itertools import islice, product

from grantproof.iam.assumption import DEFAULTS, OPEN_POINTS, Assumptions, Judge
from grantproof.iam.callers import Caller, Plan, callers, plan
from grantproof.iam.clause import Clause, clause_of
from grantproof.iam.condition import Set, Type
from grantproof.iam.document import PolicyType, Statement
from grantproof.iam.errors import LawError, Undecided
from grantproof.iam.escape import Escape, Search, Side
from grantproof.iam.evaluate import Cited, evaluate
from grantproof.iam.glob import Glob, Wild
from grantproof.iam.language import FRESH, TooHard, fragments, generic_point, intersection
from grantproof.iam.layers import Layers
from grantproof.iam.pattern import Pattern, Variable, within_fields
from grantproof.iam.principal import Kind
from grantproof.iam.request import Request, Values
from grantproof.iam.values import MISSING, Bounds, Keys
from grantproof.iam.witness import VARIABLES, candidates, delegated

#: Stands for what is free in a variable's value, as `FRESH` does elsewhere.
_FREE = "\ue001"
_MOST_SPECIAL = 32
_MOST_ASSIGNMENTS = 256
_MOST_READINGS = 64
_MOST_DIFFERENCES = 1_000


class Verdict(Enum):
    """What the new side allows, measured by the old one."""

    EQUAL = "equal"
    NARROWER = "narrower"
    WIDER = "wider"
    DIFFERENT = "different"
    UNDETERMINED = "undetermined"


@dataclass(frozen=True)
class Difference:
    """A statement-shaped piece of access that one side gives and the other does not.

    Attributes:
        clause: the piece; `str()` of it is a sentence's part: actions, resources, callers, conditions.
        witness: a request of it, decided by the evaluator: allowed on one side, not on the other.
        because: the statements that let the witness through on the side that allows it.
        owner_lets_in: the witness is allowed only where the owner of the resource lets the caller's account in, which
            is taken for granted when no resource policy is compared.
    """

    clause: Clause
    witness: Request
    because: tuple[Cited, ...]
    owner_lets_in: bool = False


@dataclass(frozen=True)
class Comparison:
    """The answer. `reason` says why it is undetermined; `depends_on` names the open points (O-rules) on which the
    verdict depends: with another reading of them it would be another."""

    verdict: Verdict
    new_access: tuple[Difference, ...] = ()
    lost_access: tuple[Difference, ...] = ()
    reason: str = ""
    depends_on: tuple[str, ...] = ()

    @property
    def allows_nothing_new(self) -> bool:
        """Is it proved that the new side allows nothing that the old one does not, under every reading?"""
        return self.verdict in (Verdict.EQUAL, Verdict.NARROWER) and not self.depends_on


def compare(
    old: Layers,
    new: Layers,
    *,
    owner: str | None = None,
    assumptions: Assumptions = DEFAULTS,
    known: bool = False,
) -> Comparison:
    """Compare what `new` allows with what `old` allows, both ways.

    Without a resource policy on either side, the caller's side alone is compared (identity policies with everything
    that limits them): requests to other accounts count as if their owners let the caller's account in.

    Args:
        owner: the account of the resource on which the resource policies stand; any, where it is None.
        assumptions: the readings of open points in force.
        known: only actions that exist, in the release of the action list, and not those that may ever exist.
    """
    base = _Reading(old, new, owner, assumptions, known)
    answer = base.comparison()
    depends: set[str] = set()
    for other in _other_readings(old, new, assumptions):
        changed = {name for name in OPEN_POINTS if other.reading(name) != assumptions.reading(name)}
        if changed & depends:
            continue
        if _Reading(old, new, owner, other, known).verdict() is not answer.verdict:
            depends |= changed
    return replace(answer, depends_on=tuple(sorted(depends, key=lambda name: int(name[1:]))))


def contained(inner: Layers, outer: Layers, *, assumptions: Assumptions = DEFAULTS) -> bool:
    """Is everything that `inner` allows allowed by `outer`, under one reading of the open points?

    Raises:
        Undecided: that cannot be said.
    """
    return next(_Reading(outer, inner, None, assumptions, False).escapes(outer, inner), None) is None


class _Reading:
    """The comparison under one reading of every open point."""

    def __init__(self, old: Layers, new: Layers, owner: str | None, assumptions: Assumptions, known: bool) -> None:
        self._old, self._new, self._owner = old, new, owner
        self._assumptions, self._known = assumptions, known
        self._sides: dict[tuple[int, tuple[tuple[str, Values], ...]], Side] = {}

    # verdicts

    def comparison(self) -> Comparison:
        """Both ways, with everything that differs."""
        more, doubt_of_more = self._differences(self._old, self._new)
        less, doubt_of_less = self._differences(self._new, self._old)
        verdict = _verdict(_whether(more, doubt_of_more), _whether(less, doubt_of_less))
        reason = "; ".join(dict.fromkeys(text for text in (doubt_of_more, doubt_of_less) if text))
        return Comparison(verdict, more, less, reason if verdict is Verdict.UNDETERMINED else "")

    def verdict(self) -> Verdict:
        """The same without looking further than the first difference."""
        return _verdict(self._escapes_any(self._old, self._new), self._escapes_any(self._new, self._old))

    def _escapes_any(self, outer: Layers, inner: Layers) -> bool | None:
        try:
            for escape, variables in self.escapes(outer, inner):
                if self._shown(outer, inner, escape, variables):
                    return True
        except Undecided:
            return None
        return None if self._several_values else False

    def _differences(self, outer: Layers, inner: Layers) -> tuple[tuple[Difference, ...], str]:
        """What `inner` allows and `outer` does not, and why that may not be all."""
        found: list[Difference] = []
        doubt = ""
        try:
            for escape, variables in self.escapes(outer, inner):
                shown = self._shown(outer, inner, escape, variables)
                if shown is None:
                    doubt = "a difference was found that no request could be made to show"
                    continue
                found.append(shown)
                if len(found) >= _MOST_DIFFERENCES:
                    break
        except Undecided as error:
            doubt = str(error)
        return _largest(found), doubt or self._several_values

    def _shown(
        self, outer: Layers, inner: Layers, escape: Escape, variables: Mapping[str, Values]
    ) -> Difference | None:
        """The difference with a request that shows it, replayed on both sides."""
        mine, theirs = self._side(inner, variables), self._side(outer, variables)
        for request in candidates(escape, variables):
            for owner_lets_in in (False, True) if escape.caller.open else (False,):
                here = delegated(inner, request) if owner_lets_in else inner
                there = delegated(outer, request) if owner_lets_in else outer
                try:
                    decision = evaluate(request, here, self._assumptions)
                    if decision.allowed and not evaluate(request, there, self._assumptions).allowed:
                        return Difference(clause_of(escape, mine, theirs), request, decision.because, owner_lets_in)
                except LawError:
                    continue
        return None

    # the search

    def escapes(self, outer: Layers, inner: Layers) -> Iterator[tuple[Escape, Mapping[str, Values]]]:
        """What `inner` allows and `outer` does not, with the values of policy variables at which it does.

        Raises:
            Undecided: it cannot be said that this is all.
        """
        found = False
        for caller in callers(self._old, self._new, self._keys, self._owner):
            for escape in self._by(caller, self._generic(caller), outer, inner):
                found = True
                yield escape, self._generic(caller)
        if found or not self._variables:
            return
        # No difference where the variables' values are nothing in particular: try those that other patterns single out.
        for caller in callers(self._old, self._new, self._keys, self._owner):
            for variables in self._special(caller):
                yield from ((escape, variables) for escape in self._by(caller, variables, outer, inner))

    def _by(self, caller: Caller, variables: Mapping[str, Values], outer: Layers, inner: Layers) -> Iterator[Escape]:
        mine, theirs = self._side(inner, variables), self._side(outer, variables)
        plans = self._plan(mine, caller), self._plan(theirs, caller)
        states = {**caller.states(self._keys), **{key: (value,) for key, value in variables.items()}}
        shapes = {"aws:principalarn": (caller.names, caller.not_names)} if caller.names else {}
        named = caller.principal.kind is Kind.USER and bool(caller.names)
        present = frozenset({"aws:principalarn", "aws:username"} if named else ())
        keys = Keys(Judge(self._assumptions), Bounds(states, shapes, self._single, present, variables))
        yield from Search(mine, theirs, plans, caller, keys, known=self._known).escapes()

    def _side(self, layers: Layers, variables: Mapping[str, Values]) -> Side:
        at = (id(layers), tuple(sorted(variables.items())))
        if at not in self._sides:
            self._sides[at] = Side(layers, Judge(self._assumptions), variables)
        return self._sides[at]

    def _plan(self, side: Side, caller: Caller) -> Plan:
        return plan(side.entries, side.layers, caller, self._resource_type, Judge(self._assumptions))

    @cached_property
    def _resource_type(self) -> PolicyType:
        return next((s.resource.type for s in (self._old, self._new) if s.resource is not None), PolicyType.RESOURCE)

    @cached_property
    def _keys(self) -> frozenset[str]:
        return self._old.condition_keys | self._new.condition_keys

    @cached_property
    def _single(self) -> frozenset[str]:
        """The keys that some plain operator tests, or that stand as variables: they carry one value at most."""
        plain = (
            test.key
            for statement in self._statements()
            for test in statement.conditions
            if test.operator.prefix is Set.NONE and test.operator.type is not Type.NULL
        )
        return frozenset(plain) | self._variables

    @cached_property
    def _several_values(self) -> str:
        """Why requests with several values of a key may matter that were not looked at: operators with a set prefix and
        plain ones test the same key, and not in the same statements on both sides (O24)."""
        sets = {
            test.key
            for statement in self._statements()
            for test in statement.conditions
            if test.operator.prefix is not Set.NONE
        }
        for key in sorted(sets & self._single):
            if self._testing(self._old, key) != self._testing(self._new, key):
                return f"what several values of {key} mean to an operator without a set prefix is not documented (O24)"
        return ""

    @staticmethod
    def _testing(layers: Layers, key: str) -> set[tuple[object, ...]]:
        return {
            (type_, level, s.allow, s.actions, s.not_action, s.resources, s.not_resource, s.principals, s.conditions)
            for type_, level, policies in layers.sets
            for _, s in policies.entries
            if any(test.key == key for test in s.conditions)
        }

    def _statements(self) -> Iterator[Statement]:
        for layers in (self._old, self._new):
            for _, _, policies in layers.sets:
                yield from (statement for _, statement in policies.entries)

    # policy variables

    @cached_property
    def _variables(self) -> frozenset[str]:
        return frozenset(v.key for pattern in self._patterns() for v in pattern.variables)

    def _patterns(self) -> Iterator[Pattern]:
        for statement in self._statements():
            yield from statement.resources or ()
            yield from (pattern for test in statement.conditions for pattern in test.values)

    def _generic(self, caller: Caller) -> dict[str, Values]:
        """Every variable with a value that is nothing in particular, but for those that the caller settles."""
        settled = caller.states(self._variables)
        if "aws:principalarn" in self._variables and caller.names:
            raise TooHard("aws:PrincipalArn stands as a policy variable")
        return {
            key: settled[key][0] if key in settled else (chr(VARIABLES + number),)
            for number, key in enumerate(sorted(self._variables))
        }

    def _special(self, caller: Caller) -> Iterator[dict[str, Values]]:
        """The other values of variables that can matter: none, and those by which a pattern with the variable meets
        another pattern, or which a condition on the variable's own key names."""
        generic = self._generic(caller)
        settled = caller.states(self._variables)
        choices = []
        for key in sorted(self._variables):
            own = [] if key in settled else [MISSING, *((text,) for text in self._values_of(key, generic))]
            choices.append([generic[key], *own])
        total = 1
        for choice in choices:
            total *= len(choice)
        if total > _MOST_ASSIGNMENTS:
            raise TooHard(f"the policy variables have {total} combinations of values that may matter")
        names = sorted(self._variables)
        for number, values in enumerate(product(*choices)):
            if number:
                yield dict(zip(names, values, strict=True))

    def _values_of(self, key: str, generic: Mapping[str, Values]) -> list[str]:
        found: list[Glob] = []
        for statement in self._statements():
            for test in statement.conditions:
                if test.key == key and test.operator.type in (Type.STRING, Type.ARN):
                    found += [_filled(pattern, generic) for pattern in test.values]
        for patterns in self._comparable():
            filled = [_filled(pattern, generic, key) for pattern in patterns]
            for pattern in patterns:
                for before, after in _around(pattern, key, generic):
                    found += [part for whole in filled for part in fragments(before, after, whole)]
        closed = list(dict.fromkeys(found))
        for one in closed:
            closed += [p for other in closed for p in intersection(one, other) if p not in closed]
            if len(closed) > _MOST_SPECIAL:
                raise TooHard(f"the policy variable {key} meets other patterns in too many ways")
        texts = (generic_point(one).replace(FRESH, _FREE) for one in closed)
        return [text for text in dict.fromkeys(texts) if text]

    def _comparable(self) -> Iterator[list[Pattern]]:
        """Patterns that are compared with the same text: all of resources, and those of each condition key."""
        yield [pattern for statement in self._statements() for pattern in statement.resources or ()]
        by_key: dict[str, list[Pattern]] = {}
        for statement in self._statements():
            for test in statement.conditions:
                by_key.setdefault(test.key, []).extend(test.values)
        yield from by_key.values()


def _filled(pattern: Pattern, values: Mapping[str, Values], free: str = "") -> Glob:
    """A pattern with the values of its variables, and any text for the variable `free`."""
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
            before, after = (replace(pattern, parts=parts) for parts in (pattern.parts[:at], pattern.parts[at + 1 :]))
            yield _filled(before, values, key), _filled(after, values, key)


def _whether(found: tuple[Difference, ...], doubt: str) -> bool | None:
    """Is there a difference? None where nothing was found and that may not be all."""
    return True if found else None if doubt else False


def _verdict(more: bool | None, less: bool | None) -> Verdict:
    if more is None or less is None:
        return Verdict.UNDETERMINED
    if more:
        return Verdict.DIFFERENT if less else Verdict.WIDER
    return Verdict.NARROWER if less else Verdict.EQUAL


def _largest(found: Iterable[Difference]) -> tuple[Difference, ...]:
    """Those that lie inside no other, shortest first."""
    kept: list[Difference] = []
    for one in found:
        if any(one.clause.inside(other.clause) for other in kept):
            continue
        kept = [other for other in kept if not other.clause.inside(one.clause)]
        kept.append(one)
    return tuple(sorted(kept, key=lambda d: (len(str(d.clause)), str(d.clause))))


# --- readings --------------------------------------------------------------------------------------------------------


def _other_readings(old: Layers, new: Layers, assumptions: Assumptions) -> Iterator[Assumptions]:
    """Every other combination of readings of the points that these policies touch; of many points, every single other
    reading and all of them at once."""
    names = [name for name, touches in _TOUCHED.items() if touches(old, new)]
    options = [
        [assumptions.reading(name), *(a.reading(name) for a in assumptions.alternatives(name))] for name in names
    ]
    first = tuple(option[0] for option in options)
    combinations = list(islice(product(*options), _MOST_READINGS + 1))
    if len(combinations) > _MOST_READINGS:
        combinations = [
            (*first[:at], other, *first[at + 1 :]) for at, option in enumerate(options) for other in option[1:]
        ]
        combinations.append(tuple(option[-1] for option in options))
    # Those that change least come first, so that a verdict is put down to the points that it takes.
    for chosen in sorted(combinations, key=lambda c: sum(a != b for a, b in zip(c, first, strict=True))):
        if chosen != first:
            yield Assumptions({**assumptions.chosen, **dict(zip(names, chosen, strict=True))})


def _any_statement(test: Callable[[Statement], bool]) -> Callable[[Layers, Layers], bool]:
    def touches(old: Layers, new: Layers) -> bool:
        return any(test(s) for layers in (old, new) for _, _, policies in layers.sets for _, s in policies.entries)

    return touches


def _any_layers(test: Callable[[Layers], bool]) -> Callable[[Layers, Layers], bool]:
    return lambda old, new: test(old) or test(new)


def _has_resource(test: Callable[[Pattern], bool]) -> Callable[[Layers, Layers], bool]:
    return _any_statement(lambda s: any(test(p) for p in s.resources or ()))


def _limited(layers: Layers) -> bool:
    return layers.resource is not None and (layers.boundary is not None or layers.session is not None)


def _crosses_fields(pattern: Pattern) -> bool:
    found = _filled(pattern, {})
    return found.literal is None and not found.everything and within_fields(found) != found


def _has_variable(pattern: Pattern) -> bool:
    return any(variable.default is None for variable in pattern.variables)


#: When the reading of an open point can make a difference at all; too often costs time, never correctness.
_TOUCHED: Mapping[str, Callable[[Layers, Layers], bool]] = {
    "O3": _any_statement(lambda s: any(t.operator.prefix is Set.ANY and t.operator.negated for t in s.conditions)),
    "O4": _any_statement(
        lambda s: any(t.operator.type is Type.BOOL and any(p.variables for p in t.values) for t in s.conditions)
    ),
    "O5": _has_resource(_crosses_fields),
    "O9": _any_statement(
        lambda s: (
            any(_has_variable(p) for p in s.resources or ())
            or any(_has_variable(p) for t in s.conditions for p in t.values)
        )
    ),
    "O10": _any_layers(
        lambda layers: (
            layers.resource is not None
            and layers.resource.type is PolicyType.TRUST
            and any(s.principals is not None and s.principals.everyone for s in layers.resource.statements)
        )
    ),
    "O16": _any_statement(
        lambda s: any(
            t.operator.type is Type.IP and any(":" in p.text and "/" not in p.text for p in t.values)
            for t in s.conditions
        )
    ),
    "O17": _any_layers(_limited),
    "O18": _any_layers(_limited),
    "O19": _any_layers(_limited),
    "O20": _any_statement(lambda s: any(t.operator.type is Type.NULL for t in s.conditions)),
    "O21": _any_statement(lambda s: s.not_principal),
    "O22": _any_layers(lambda layers: layers.resource is not None and layers.session is None),
    "O23": _any_statement(lambda s: any(t.key.startswith("aws:requesttag/") for t in s.conditions)),
    "O25": _any_layers(lambda layers: layers.rcp is not None),
    "O28": _has_resource(lambda p: p.text.startswith("arn:") and p.text.endswith("*")),
    "O36": _any_layers(
        lambda layers: (
            layers.resource is not None
            and any(
                not s.allow and s.principals is not None and s.principals.accounts for s in layers.resource.statements
            )
        )
    ),
    "O37": _any_layers(_limited),
    "O39": _has_resource(lambda p: _wild_in_service(p)),
}


def _wild_in_service(pattern: Pattern) -> bool:
    fields = pattern.text.split(":", 3)
    return len(fields) == 4 and bool(set("*?") & set(fields[2]))
