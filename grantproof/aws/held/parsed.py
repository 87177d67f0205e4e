"""A cache of parsed policies, since most policies are the same under most combinations of options."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

from grantproof.iam import Policy, PolicyType, parse_policy


def parsed(document: Any, type_: PolicyType, label: str) -> Policy:
    """As `parse_policy`, cached by the JSON text of the document.

    Raises:
        MalformedPolicy: see `parse_policy`.
    """
    try:
        text = json.dumps(document)
    except (TypeError, ValueError, RecursionError):
        return parse_policy(document, type_, label)
    return _parsed(text, type_, label)


@lru_cache(maxsize=4096)
def _parsed(text: str, type_: PolicyType, label: str) -> Policy:
    return parse_policy(json.loads(text), type_, label)
