"""Globs: `*` for any number of characters, `?` for exactly one (rules A2, R2, C30).

A glob is stored as tokens, so that a literal `*` (written `${*}`, rule V10) differs from a wildcard.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from enum import Enum
from functools import lru_cache
from typing import Any


class Wild(Enum):
    """A wildcard token. Policies write the first two. `FIELD` and `FIELD_ONE` stay inside a field of an ARN (rule C34,
    open point O5), `NAME` and `NAME_ONE` inside its last part, which is how a user's name and ARN are thought of
    together."""

    ANY = "*"
    ONE = "?"
    FIELD = "[^:]*"
    FIELD_ONE = "[^:]"
    NAME = "[^:/]*"
    NAME_ONE = "[^:/]"

    # Enum's own hash is made of the name, in Python; members are singletons.
    __hash__ = object.__hash__

    @property
    def many(self) -> bool:
        """Does it stand for any number of characters?"""
        return self in (Wild.ANY, Wild.FIELD, Wild.NAME)

    @property
    def stops_at(self) -> str:
        """The characters that it does not stand for."""
        return _STOPS[self]


_STOPS = {Wild.FIELD: ":", Wild.FIELD_ONE: ":", Wild.NAME: ":/", Wild.NAME_ONE: ":/", Wild.ANY: "", Wild.ONE: ""}
#: The wildcard of one character that takes what a star takes.
ONE_OF = {Wild.ANY: Wild.ONE, Wild.FIELD: Wild.FIELD_ONE, Wild.NAME: Wild.NAME_ONE}


Token = str | Wild


def folded(text: str) -> str:
    """A text without regard to case, character by character: what becomes several (`ß`) stays itself. AWS says nothing
    of characters beyond ASCII; two of them are a k and an s in other case (rule C29)."""
    return text.lower() if text.isascii() else "".join(map(_folded, text))


def _folded(character: str) -> str:
    found = character.casefold()
    return found if len(found) == 1 else character


def spellings(character: str) -> frozenset[str]:
    """The characters that equal an ASCII character without regard to case."""
    found = character.lower()
    return frozenset({found, found.upper(), *_BEYOND_ASCII.get(found, "")})


#: KELVIN SIGN and LATIN SMALL LETTER LONG S.
_BEYOND_ASCII = {"k": "\u212a", "s": "\u017f"}


class Glob:
    """A pattern for strings; `matches` is exact, in a time linear in the length of the text for each token.

    `tokens` is normalised: adjacent literals are joined, and in a run of wildcards every `?` comes before a single `*`,
    so that globs for the same strings with differently ordered wildcards are equal.
    """

    __slots__ = ("_hash", "counts", "everything", "literal", "matches", "prefix", "tokens")

    tokens: tuple[Token, ...]
    literal: str | None
    """The only string that matches, or None when there is a wildcard."""
    prefix: str
    """The literal text before the first wildcard."""
    counts: bool
    """Has it a wildcard other than `*`, so that it counts characters or stops at some?"""
    everything: bool
    """Does every string match?"""
    matches: Callable[[str], bool]

    def __init__(self, tokens: Iterable[Token]) -> None:
        self.tokens = found = _normalised(tokens)
        first = found[0] if found else ""
        self.prefix = prefix = first if isinstance(first, str) else ""
        # A policy has thousands of patterns, nearly all of them plain text, possibly with one star at the end.
        plain = len(found) == bool(prefix)
        self.literal = prefix if plain else None
        self.counts = not plain and found[bool(prefix) :] != _ANY and not _only_stars(found)
        self.everything = found == _ANY
        self._hash = hash(found)

    def __getattr__(self, name: str) -> Any:
        # Compiled when first needed, since comparisons create many patterns that are never matched.
        if name != "matches":
            raise AttributeError(name)
        self.matches = _matcher(self.tokens, self.prefix)
        return self.matches

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Glob) and self.tokens == other.tokens

    def __reduce__(self) -> tuple[Any, ...]:
        return Glob, (self.tokens,)  # hashes hold for this process only

    def __hash__(self) -> int:
        return self._hash

    def __str__(self) -> str:
        return "".join(token if isinstance(token, str) else token.value for token in self.tokens)

    def __repr__(self) -> str:
        return f"Glob({str(self)!r})"


def tokenise(text: str) -> tuple[Token, ...]:
    """The tokens of a text, with `*` and `?` as wildcards and everything else literal."""
    if text and "?" not in text:
        star = text.find("*")
        if star < 0:
            return (text,)
        if 0 < star == len(text) - 1:
            return text[:star], Wild.ANY
    return tuple(Wild(part) if part in ("*", "?") else part for part in re.split(r"([*?])", text) if part)


@lru_cache(maxsize=65_536)
def glob(text: str) -> Glob:
    """The glob for a text. Cached, because policies repeat the same patterns."""
    return Glob(tokenise(text))


_ANY = (Wild.ANY,)


def _only_stars(tokens: tuple[Token, ...]) -> bool:
    return all(token is Wild.ANY for token in tokens if isinstance(token, Wild))


def _normalised(tokens: Iterable[Token]) -> tuple[Token, ...]:
    out: list[Token] = []
    tokens = tuple(tokens)
    if len(tokens) == 1 and tokens[0]:
        return tokens
    if len(tokens) == 2 and tokens[1] is Wild.ANY and isinstance(tokens[0], str) and tokens[0]:
        return tokens
    for token in tokens:
        if token == "":
            continue
        last = out[-1] if out else None
        if isinstance(token, str) and isinstance(last, str):
            out[-1] = last + token
        elif token is last and token in ONE_OF:
            continue
        elif isinstance(last, Wild) and token is ONE_OF.get(last):
            out.insert(len(out) - 1, token)
        else:
            out.append(token)
    return tuple(out)


def _matcher(tokens: tuple[Token, ...], prefix: str) -> Callable[[str], bool]:
    rest = tokens[1:] if prefix else tokens
    if not rest:
        return prefix.__eq__
    if rest == (Wild.ANY,):
        return lambda text: text.startswith(prefix)
    wild = [token for token in tokens if isinstance(token, Wild)]
    if not any(token.stops_at for token in wild):
        expression = re.compile(without_backtracking(tokens), re.DOTALL)
    elif sum(token.many for token in wild) < _MANY:
        expression = re.compile("".join(map(_regex, tokens)), re.DOTALL)
    else:
        return _Places(tokens).match
    return lambda text: expression.fullmatch(text) is not None


#: From so many on, wildcards that stop at a character are not left to a regular expression, which tries all ways to
#: share a text out among them.
_MANY = 3
_REGEX = {wild: wild.value for wild in Wild} | {Wild.ANY: ".*", Wild.ONE: "."}


def _regex(token: Token) -> str:
    return _REGEX[token] if isinstance(token, Wild) else re.escape(token)


class _Places:
    """Matches by following all places of a pattern at once, a bit for each: in time linear in the text."""

    def __init__(self, tokens: tuple[Token, ...]) -> None:
        #: What leads from each place to the next: a character, or a wildcard for one.
        self._steps: list[Token] = []
        #: The wildcards for many characters at each place.
        self._loops: list[tuple[int, Wild]] = []
        for token in tokens:
            if isinstance(token, str):
                self._steps += token
            elif token.many:
                self._loops.append((len(self._steps), token))
            else:
                self._steps.append(token)
        self._masks: dict[str, tuple[int, int]] = {}

    def match(self, text: str) -> bool:
        """Does the pattern match all of the text?"""
        places = 1
        for character in text:
            stepping, staying = self._masks.get(character) or self._mask(character)
            places = (places & stepping) << 1 | places & staying
        return bool(places >> len(self._steps) & 1)

    def _mask(self, character: str) -> tuple[int, int]:
        """From which places a character leads on, and at which it stays."""
        stepping = staying = 0
        for at, step in enumerate(self._steps):
            taken = step == character if isinstance(step, str) else character not in step.stops_at
            stepping |= taken << at
        for at, loop in self._loops:
            staying |= (character not in loop.stops_at) << at
        return self._masks.setdefault(character, (stepping, staying))


def without_backtracking(tokens: Iterable[Token], one: str = ".") -> str:
    """A pattern of `*` and `?` as a regular expression. `one`: what stands for a `?` in it.

    Where stars separate runs, taking the leftmost place for each middle run never loses a match, so each is an
    atomic group; a naive `.*a.*b.*c` takes time exponential in the number of stars.
    """
    runs: list[str] = [""]
    for token in tokens:
        if token is Wild.ANY:
            runs.append("")
        else:
            runs[-1] += one if token is Wild.ONE else re.escape(str(token))
    if len(runs) == 1:
        return runs[0]
    first, *middle, last = runs
    return first + "".join(f"(?>.*?{run})" for run in middle) + ".*" + last
