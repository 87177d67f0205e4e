"""Patterns with policy variables: `${aws:username}`, defaults and escapes (rules V1 to V12).

A pattern is parsed once. Without variables it is a glob; with variables it becomes a glob for each request.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import zip_longest

from grantproof.iam.glob import Glob, Token, Wild, glob, tokenise

_VARIABLE = re.compile(r"\$\{(?:(?P<literal>[*?$])|(?P<key>[^{}\s,']+)(?P<default>, '[^'{}]*')?)\}")

Values = tuple[str, ...]


class PatternError(ValueError):
    """A variable that cannot be parsed (rule V11)."""


@dataclass(frozen=True, slots=True)
class Variable:
    """`${key}` or `${key, 'default'}`; `key` is in lower case (rule V6)."""

    key: str
    default: str | None = None


@dataclass(frozen=True, slots=True)
class Pattern:
    """A value of a policy that is compared with text.

    `parts` has literal text, wildcards and variables; `fixed` is the glob if there is no variable. `early`: is it a
    Resource with a variable before the fifth colon (O42)?
    """

    text: str
    parts: tuple[Token | Variable, ...]
    fixed: Glob | None
    early: bool = False

    def __hash__(self) -> int:
        # Equal texts are nearly always equal patterns, and the hash of a text is cached.
        return hash(self.text)

    def resolve(self, value_of: Callable[[str], str | None]) -> Glob | None:
        """The glob for one request, or None if a variable has neither a value nor a default (rule V7).

        The value of a variable is literal text: a `*` in a user's name is no wildcard.
        """
        if self.fixed is not None:
            return self.fixed
        tokens: list[Token] = []
        for part in self.parts:
            if isinstance(part, Variable):
                value = value_of(part.key) or part.default
                if value is None:
                    return None
                tokens.append(value)
            else:
                tokens.append(part)
        return Glob(tokens)

    @property
    def variables(self) -> tuple[Variable, ...]:
        """The variables, in their order."""
        return tuple(part for part in self.parts if isinstance(part, Variable))

    @property
    def outline(self) -> str:
        """The text with `$` for each variable, so that all colons separate fields of an ARN."""
        return self.text if self.fixed is not None else outline(self.text)


def outline(text: str) -> str:
    """A text with `$` for each of its variables."""
    return _VARIABLE.sub("$", text) if "${" in text else text


def read(text: str, *, variables: bool, wildcards: bool) -> Pattern:
    """Parse a value. `variables`: can it contain variables (rules V2 to V4)? `wildcards`: are `*` and `?` wildcards?

    Raises:
        PatternError: an unclosed, empty or unreadable variable; a private character.
    """
    if holds_private(text):
        raise PatternError(f"{text!a} holds a character of Unicode's private area, which has no meaning (G12)")
    if not variables or "${" not in text:
        fixed = glob(text) if wildcards else Glob((text,))
        return Pattern(text, fixed.tokens, fixed)
    parts: list[Token | Variable] = []
    at = 0
    while (start := text.find("${", at)) >= 0:
        parts += _plain(text[at:start], wildcards=wildcards)
        match = _VARIABLE.match(text, start)
        if match is None:
            raise PatternError(
                f"the policy variable in {text!r} at character {start + 1} is not of the form "
                "${key} or ${key, 'default'}"
            )
        if match["literal"]:
            parts.append(match["literal"])
        else:
            default = match["default"]
            parts.append(Variable(match["key"].lower(), default[3:-1] if default else None))
        at = match.end()
    parts += _plain(text[at:], wildcards=wildcards)
    if any(isinstance(part, Variable) for part in parts):
        return Pattern(text, tuple(parts), None)
    fixed = Glob(part for part in parts if not isinstance(part, Variable))
    return Pattern(text, fixed.tokens, fixed)


_PRIVATE = re.compile("[\ue000-\uf8ff]")


def holds_private(text: str) -> bool:
    """Does a text contain a private-use character? The comparison uses such characters for "anything that no policy
    names", so a policy must not contain them."""
    return not text.isascii() and _PRIVATE.search(text) is not None


def _plain(text: str, *, wildcards: bool) -> tuple[Token, ...]:
    return tokenise(text) if wildcards else ((text,) if text else ())


def single_value(values: Mapping[str, Values]) -> Callable[[str], str | None]:
    """A function that returns the value of a variable: the only value of the key in the request. A key with several
    values cannot be used as a variable (rule V1), and an empty one counts as missing (rule V7)."""

    def value_of(key: str) -> str | None:
        found = values.get(key, ())
        return found[0] if len(found) == 1 and found[0] else None

    return value_of


def completed(glob_: Glob, count: int = 6) -> Glob:
    """An ARN pattern with `*` for every missing field, as rule R8 says of Resource (and perhaps O41 of ARN
    operators)."""
    colons = sum(token.count(":") for token in glob_.tokens if isinstance(token, str))
    return Glob((*glob_.tokens, *(":", Wild.ANY) * (count - 1 - colons))) if colons < count - 1 else glob_


def split_fields(glob_: Glob, count: int) -> tuple[Glob, ...] | None:
    """An ARN pattern split at its first `count - 1` colons; None if it has fewer fields.

    Wildcards stay in the field that contains them (rule C34).
    """
    fields: list[list[Token]] = [[]]
    for token in glob_.tokens:
        if isinstance(token, Wild):
            fields[-1].append(token)
            continue
        pieces = token.split(":", count - len(fields))
        fields[-1].append(pieces[0])
        fields += [[piece] for piece in pieces[1:]]
    return tuple(Glob(field) for field in fields) if len(fields) == count else None


@lru_cache(maxsize=16_384)
def within_fields(glob_: Glob) -> Glob:
    """A Resource pattern under the stricter reading of O5: only a `*` at the end of a field also matches colons
    (R4)."""
    tokens: list[Token] = []
    for token, following in zip_longest(glob_.tokens, glob_.tokens[1:]):
        ends_field = following is None or (isinstance(following, str) and following.startswith(":"))
        if token is Wild.ONE:
            tokens.append(Wild.FIELD_ONE)
        elif token is Wild.ANY and not ends_field:
            tokens.append(Wild.FIELD)
        else:
            tokens.append(token)
    return Glob(tokens)
