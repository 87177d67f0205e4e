"""The layout of a grant's access diagram: callers, conditions, role, permissions.

Only geometry: boxes and arrows with lines of text, which the page's template draws as SVG, in one column so that it is
readable on a phone.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from grantproof.evidence import words

WIDTH = 460
_LINE, _PAD, _ARROW, _CHARACTERS, _MOST = 18, 10, 26, 54, 8


@dataclass(frozen=True, slots=True)
class Box:
    """A box at `y` with `height`; `lines` are (y, text), the first of them its title."""

    kind: str
    y: int
    height: int
    lines: tuple[tuple[int, str], ...]


@dataclass(frozen=True, slots=True)
class Arrow:
    """An arrow down from `y`, of length `height`, with lines (y, text) beside it."""

    y: int
    height: int
    lines: tuple[tuple[int, str], ...]


@dataclass(frozen=True, slots=True)
class Picture:
    """Boxes and arrows, and the total height."""

    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]
    height: int


def wrapped(text: str, most: int = _MOST) -> list[str]:
    """Text broken into lines that fit, with a mark where some are omitted."""
    lines = textwrap.wrap(" ".join(text.split()), _CHARACTERS, subsequent_indent="  ", break_on_hyphens=False) or ["-"]
    return lines if len(lines) <= most else [*lines[: most - 1], "  … in full below"]


def draw(principal: Mapping[str, Any]) -> Picture:
    """The diagram of one principal of `access.Facts`."""
    pen = _Pen()
    for clause in principal["trust"]:
        document = clause["document"]
        pen.box("who" if document["Effect"] == "Allow" else "deny", "Who enters", words.principals_of(document))
        pen.arrow([*words.actions_of(document), *(f"if {test}" for test in words.conditions_of(document))])
    session = [f"for at most {principal['max_session']} seconds"] if principal["max_session"] else []
    pen.box("self", f"{principal['kind']} {principal['alias']}", [principal["arn"] or "not deployed", *session])
    statements = principal["allowed"]
    if statements:
        pen.arrow(["may then"])
    for clause in statements:
        document = clause["document"]
        allow = document["Effect"] == "Allow"
        lines = [*words.actions_of(document), *(f"on {name}" for name in words.resources_of(document))]
        lines += [f"if {test}" for test in words.conditions_of(document)]
        pen.box("may" if allow else "deny", "call" if allow else "never call", lines)
    return pen.done()


class _Pen:
    """Adds boxes and arrows from top to bottom."""

    def __init__(self) -> None:
        self._y = 4
        self._boxes: list[Box] = []
        self._arrows: list[Arrow] = []

    def _lines(self, texts: Iterable[str], top: int) -> tuple[tuple[int, str], ...]:
        lines = [line for text in texts for line in wrapped(text)]
        if len(lines) > 2 * _MOST:
            lines = [*lines[: 2 * _MOST - 1], "… in full below"]
        return tuple((top + _LINE * (number + 1), line) for number, line in enumerate(lines))

    def box(self, kind: str, title: str, texts: Sequence[str]) -> None:
        lines = self._lines([title, *texts], self._y + 4)
        height = len(lines) * _LINE + 2 * _PAD
        self._boxes.append(Box(kind, self._y, height, lines))
        self._y += height + 6

    def arrow(self, texts: Sequence[str]) -> None:
        lines = self._lines(texts, self._y)
        height = max(_ARROW, len(lines) * _LINE + 8)
        self._arrows.append(Arrow(self._y - 4, height, lines))
        self._y += height + 4

    def done(self) -> Picture:
        return Picture(tuple(self._boxes), tuple(self._arrows), self._y)
