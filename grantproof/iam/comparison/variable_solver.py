"""Solves for the values of policy variables with which chosen patterns match: systems of `equations`, group by
group."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from grantproof.iam.comparison.equations import Equations, Unknown, Word, put, renamed
from grantproof.iam.comparison.language import overlap
from grantproof.iam.comparison.needed import Group, Matching, Parts
from grantproof.iam.glob import Glob, Token, Wild
from grantproof.iam.pattern import Variable
from grantproof.iam.request import Values

#: The first of the private characters that stand for unknowns.
_FIRST_OWN = 0xF0000


class _State(NamedTuple):
    """What is known so far of the values of variables and of the texts that match."""

    values: tuple[Word, ...]
    texts: tuple[Word, ...]

    def bound(self, bound: tuple[tuple[Unknown, Word], ...]) -> _State:
        return _State(*(tuple(put(word, bound) for word in words) for words in self))


class Solver:
    """Solves for the values of variables, for every choice of patterns. `doubt` says why some may be missing.

    Args:
        keys: the variables to solve for.
        known: the values of the others.
    """

    def __init__(self, groups: Sequence[Group], keys: Sequence[str], known: Mapping[str, Values]) -> None:
        self.keys = keys
        self._at = {key: number for number, key in enumerate(keys)}
        self._known = known
        self._equations = Equations()
        self.doubt = ""
        matchings = [m for group in groups for way in group.ways for m in way]
        alive = {m.subject for m in matchings if m.subject[0] in self._at or any(map(self._holds, m.patterns))}
        # A key without value matches no pattern, whatever the values of others.
        alive -= {s for s in alive if s[0] in known and s[0] not in self._at and not any(known[s[0]])}
        self._subjects = {subject: number for number, subject in enumerate(sorted(alive))}
        self._groups = [g for g in map(self._living, groups) if g.ways]
        # A variable's own key is compared as it is, with or without regard to case: no conflict arises.
        texts = {m for m in matchings if m.subject in alive and m.subject[0] not in self._at}
        self._mixed = {m.subject for m in texts if m.ignore_case} & {m.subject for m in texts if not m.ignore_case}
        self._last = {m.subject: n for n, g in enumerate(self._groups) for way in g.ways for m in way}
        self._seen: set[tuple[object, ...]] = set()

    def _holds(self, parts: Parts) -> bool:
        return any(isinstance(part, Variable) and part.key in self._at for part in parts)

    def _living(self, group: Group) -> Group:
        """The group without texts that depend on no variable."""
        ways = dict.fromkeys(tuple(m for m in way if m.subject in self._subjects) for way in group.ways)
        if group.optional:
            ways.pop((), None)
        return group._replace(ways=tuple(ways))

    def solutions(self) -> Iterator[tuple[Word, ...]]:
        """The values of `keys` as words, each solution once."""
        values = tuple((self._equations.unknown(filled=True),) for _ in self.keys)
        start = _State(values, tuple(self._text(key, values) for key, _ in self._subjects))
        found: set[tuple[Word, ...]] = set()
        for state in self._from(start, 0):
            words = renamed(*state.values)
            if words not in found:
                found.add(words)
                yield words
        self.doubt = self.doubt or self._equations.doubt

    def _text(self, key: str, values: tuple[Word, ...]) -> Word:
        if key in self._at:
            return values[self._at[key]]
        if key in self._known:
            return tuple(self._known[key][0])
        return (self._equations.unknown(),)

    def _from(self, state: _State, at: int) -> Iterator[_State]:
        """The final states that can be reached from a state by the groups from `at` on."""
        if at == len(self._groups):
            yield state
            return
        for following in self._after(state, self._groups[at]):
            here = self._forgotten(following, at)
            name = (at, *renamed(*here.values, *here.texts))
            if name not in self._seen:
                self._seen.add(name)
                yield from self._from(here, at + 1)

    def _forgotten(self, state: _State, at: int) -> _State:
        """A state without the texts that no later group uses."""
        kept = (
            (self._last.get(subject, -1) > at, text) for subject, text in zip(self._subjects, state.texts, strict=True)
        )
        return state._replace(texts=tuple(text if keep else () for keep, text in kept))

    def _after(self, state: _State, group: Group) -> list[_State]:
        out = [state] if group.optional else []
        for way in group.ways:
            states = [state]
            for matching in way:
                states = [following for one in states for following in self._matching(one, matching)]
            if group.enough and state in states:
                return [state]
            out += states
        return out

    def _matching(self, state: _State, matching: Matching) -> list[_State]:
        if matching.compared_as:
            key = matching.subject[0]
            self.doubt = self.doubt or f"{key} is a policy variable's, and compared as {matching.compared_as}"
        out = [state] if matching.unless_missing else []
        for parts in matching.patterns:
            found = list(self._matched(state, matching, parts))
            if state in found:
                # It matters that some pattern of a test or a list of resources matches, not which.
                return [state]
            out += found
        return out

    def _matched(self, state: _State, matching: Matching, parts: Parts) -> Iterator[_State]:
        """The most general states in which a text matches a pattern."""
        word = self._word(parts, state)
        if word is None:
            return
        at = self._subjects[matching.subject]
        text = state.texts[at]
        often = Counter(symbol for one in (*state.values, *state.texts) for symbol in one)
        loose = {s for s in text if isinstance(s, Unknown) and often[s] == 1}
        if len(text) == 1 and text[0] in loose and not _only(text[0]).one:
            yield state._replace(texts=(*state.texts[:at], word, *state.texts[at + 1 :]))
            return
        if matching.subject in self._mixed:
            self.doubt = self.doubt or f"{matching.subject[0]} is compared with and without regard to case"
        mine = {s for s in word if isinstance(s, Unknown) and s not in often}
        if not matching.ignore_case and _glob(word, mine).matches(_point(text)) and not any(s.one for s in mine):
            yield state
            return
        if not matching.ignore_case and not overlap(_glob(word), _glob(text)):
            return
        for bound in self._equations.solutions(word, text, mine | loose, ignore_case=matching.ignore_case):
            found = state.bound(bound)
            # Without regard to case, the text keeps its own letters.
            met = put(text if matching.ignore_case else word, bound)
            if all(found.values):
                yield found._replace(texts=(*found.texts[:at], met, *found.texts[at + 1 :]))

    def _word(self, parts: Parts, state: _State) -> Word | None:
        """A pattern as a word, with what is known of its variables; None if one of them has no value."""
        out: list[str | Unknown] = []
        for part in parts:
            if isinstance(part, str):
                out += part
            elif isinstance(part, Wild):
                out.append(self._equations.unknown(one=not part.many))
            elif part.key in self._at:
                out += state.values[self._at[part.key]]
            elif part.key not in self._known:
                out.append(self._equations.unknown())
            else:
                value = "".join(self._known[part.key][:1]) or part.default
                if value is None:
                    return None
                out += value
        return tuple(out)


def _only(symbol: str | Unknown) -> Unknown:
    assert isinstance(symbol, Unknown)
    return symbol


def _glob(word: Word, wild: set[Unknown] | None = None) -> Glob:
    """A word as a pattern: wildcards for the unknowns in `wild` (None: for all), private characters for the others."""
    tokens: list[Token] = []
    for symbol in word:
        if isinstance(symbol, str):
            tokens.append(symbol)
        elif wild is None or symbol in wild:
            tokens.append(Wild.ONE if symbol.one else Wild.ANY)
        else:
            tokens.append(_own(symbol))
    return Glob(tokens)


def _point(word: Word) -> str:
    return "".join(s if isinstance(s, str) else _own(s) for s in word)


def _own(unknown: Unknown) -> str:
    """A private character for each unknown. There are more than unknowns can be made within the limit of steps."""
    return chr(_FIRST_OWN + unknown.number)
