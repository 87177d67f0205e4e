"""Policies that a template writes as JSON text: opened (parsed into objects), so that operators apply to them, and
closed again.

The text of `Fn::Sub` is opened too: a string in it with variables becomes an `Fn::Sub` of its own, or the Ref or
Fn::GetAtt that it stands for.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from grantproof.mutants.edits import text_of, with_text
from grantproof.mutants.sites import is_intrinsic
from grantproof.source import Document, Key

#: A string that is a variable and nothing else.
_WHOLE = re.compile(r"\$\{([A-Za-z0-9:.]+)\}")
#: Keys that no template has.
_POLICY, _NUMBER = "\0policy", "\0number"


@dataclass(frozen=True)
class Opened:
    """A template in which each policy written as text is an object.

    Attributes:
        texts: the original values of these policies.
    """

    value: Any
    texts: tuple[Any, ...]

    def closed(self, value: Any) -> Any:
        """A changed template with its policies as text again; unchanged ones keep their original text.

        Raises:
            NotText: a changed policy cannot be written as text.
        """
        return self._closed(value) if self.texts else value

    def _closed(self, value: Any) -> Any:
        if isinstance(value, Mapping):
            if _NUMBER in value:
                before = self.texts[value[_NUMBER]]
                policy = value.get(_POLICY)
                return before if policy == _policy_of(before) else _written(policy, before)
            return {key: self._closed(item) for key, item in value.items()}
        return [self._closed(item) for item in value] if isinstance(value, list) else value


class NotText(Exception):
    """A policy contains a function that cannot be written in text."""


@lru_cache(maxsize=256)
def opened(document: Document) -> Opened:
    """A template with its policies opened; the template itself where none is text."""
    template: Mapping[str, Any] = document.value
    texts: list[Any] = []

    def open_(value: Any) -> Any:
        policy = _policy_of(value)
        if policy is not None:
            texts.append(value)
            return {_POLICY: policy, _NUMBER: len(texts) - 1}
        if isinstance(value, Mapping):
            return {key: open_(item) for key, item in value.items()}
        return [open_(item) for item in value] if isinstance(value, list) else value

    found = {**template, "Resources": open_(template["Resources"])}
    return Opened(found, tuple(texts)) if texts else Opened(template, ())


def outside(path: tuple[Key, ...]) -> tuple[Key, ...]:
    """A path in the original template; for a path within a policy's text, the path of the text."""
    return path[: path.index(_POLICY)] if _POLICY in path else path


def _policy_of(value: Any) -> Any:
    """The policy in a text or Fn::Sub; None where it is no policy."""
    match value:
        case str():
            return _parsed(value)
        case {"Fn::Sub": str(text)} | {"Fn::Sub": [str(text), _]} if len(value) == 1:
            policy = _parsed(text)
            return None if policy is None else _named(policy)
    return None


def _parsed(text: str) -> Any:
    if '"Statement"' not in text or not text.lstrip().startswith("{"):
        return None
    try:
        policy = json.loads(text)
    except ValueError:
        return None
    return policy if "Statement" in policy else None


def _named(value: Any) -> Any:
    """The strings of a policy from `Fn::Sub`, as values of a template."""
    if isinstance(value, str):
        if whole := _WHOLE.fullmatch(value):
            name, _, attribute = whole[1].partition(".")
            return {"Fn::GetAtt": [name, attribute]} if attribute else {"Ref": name}
        return with_text(None, value)
    if isinstance(value, Mapping):
        return {key: _named(item) for key, item in value.items()}
    return [_named(item) for item in value] if isinstance(value, list) else value


def _written(policy: Any, before: Any) -> Any:
    """A policy as text, with the Fn::Sub variables of the text that it replaces."""
    plain = isinstance(before, str)
    if plain and not _names_something(policy):
        return json.dumps(policy)
    text = json.dumps(_as_sub(policy, plain=plain))
    match before:
        case {"Fn::Sub": [_, variables]}:
            return {"Fn::Sub": [text, variables]}
    return {"Fn::Sub": text}


def _names_something(value: Any) -> bool:
    if isinstance(value, Mapping):
        return is_intrinsic(value) or any(map(_names_something, value.values()))
    return isinstance(value, list) and any(map(_names_something, value))


def _as_sub(value: Any, *, plain: bool) -> Any:
    """A policy as the text of `Fn::Sub`, which substitutes in keys too. `plain`: the original was no Fn::Sub."""
    if isinstance(value, str) or (isinstance(value, Mapping) and is_intrinsic(value)):
        text = text_of(value)
        if text is None or (isinstance(value, Mapping) and isinstance(value.get("Fn::Sub"), list)):
            raise NotText
        return text
    if isinstance(value, Mapping):
        return {key.replace("${", "${!") if plain else key: _as_sub(item, plain=plain) for key, item in value.items()}
    return [_as_sub(item, plain=plain) for item in value] if isinstance(value, list) else value
