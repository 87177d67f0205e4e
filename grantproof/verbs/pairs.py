"""Arguments of the form NAME=VALUE."""

from __future__ import annotations


def pair(text: str, what: str) -> tuple[str, str]:
    """The name and the value in a text NAME=VALUE.

    Raises:
        ValueError: the text does not have this form; `what` begins the message.
    """
    name, equals, value = text.partition("=")
    if not equals:
        raise ValueError(f"{what}, not {text!r}")
    return name, value
