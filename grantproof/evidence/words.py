"""Renders statements in words, and parsed statements as IAM documents again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from grantproof.iam import Statement, actions
from grantproof.iam.principal import PrincipalElement

_OPERATORS = {
    "StringEquals": "is",
    "StringNotEquals": "is not",
    "StringEqualsIgnoreCase": "is, in whatever case,",
    "StringNotEqualsIgnoreCase": "is not, in whatever case,",
    "StringLike": "is like",
    "StringNotLike": "is not like",
    "ArnEquals": "is like",
    "ArnLike": "is like",
    "ArnNotEquals": "is not like",
    "ArnNotLike": "is not like",
    "Bool": "is",
    "BinaryEquals": "is",
    "IpAddress": "is within",
    "NotIpAddress": "is not within",
    "NumericEquals": "is",
    "NumericNotEquals": "is not",
    "NumericLessThan": "is less than",
    "NumericLessThanEquals": "is at most",
    "NumericGreaterThan": "is more than",
    "NumericGreaterThanEquals": "is at least",
    "DateEquals": "is",
    "DateNotEquals": "is not",
    "DateLessThan": "is before",
    "DateLessThanEquals": "is at the latest",
    "DateGreaterThan": "is after",
    "DateGreaterThanEquals": "is at the earliest",
}

EVERYWHERE = "any resource"


def listed(value: Any) -> list[str]:
    """String-or-list as a list of text."""
    if value is None:
        return []
    return [str(item) for item in value] if isinstance(value, list | tuple) else [str(value)]


def document_of(statement: Statement) -> dict[str, Any]:
    """A parsed statement in IAM's grammar again, single values as text."""
    out: dict[str, Any] = {"Sid": statement.sid} if statement.sid else {}
    out["Effect"] = statement.effect
    if statement.principals is not None:
        out["NotPrincipal" if statement.not_principal else "Principal"] = _principals(statement.principals)
    out["NotAction" if statement.not_action else "Action"] = _one([actions.spelt(str(a)) for a in statement.actions])
    if statement.resources is not None:
        out["NotResource" if statement.not_resource else "Resource"] = _one([r.text for r in statement.resources])
    conditions: dict[str, dict[str, Any]] = {}
    for test in statement.conditions:
        conditions.setdefault(test.operator.name, {})[test.key] = _one([value.text for value in test.values])
    return {**out, "Condition": conditions} if conditions else out


def _one(values: Sequence[str]) -> Any:
    return values[0] if len(values) == 1 else list(values)


def _principals(element: PrincipalElement) -> Any:
    found = {
        "AWS": sorted([*(["*"] if element.everyone else []), *element.accounts, *element.arns, *element.unique_ids]),
        "Service": sorted(element.services),
        "Federated": sorted(element.providers),
        "CanonicalUser": sorted(element.canonical),
    }
    return {kind: _one(names) for kind, names in found.items() if names}


def principals_of(document: Mapping[str, Any]) -> list[str]:
    """The principals of a statement, in words, one entry each."""
    element = document.get("Principal", document.get("NotPrincipal", {}))
    if element == "*":
        return ["everybody"]
    names = {"AWS": "", "Service": "the service ", "Federated": "identities of ", "CanonicalUser": "canonical user "}
    out = [f"{names[kind]}{name}" for kind, value in element.items() for name in listed(value)]
    return ["everybody" if name == "*" else _account(name) for name in out]


def _account(name: str) -> str:
    """A root ARN or account number in words: it delegates to the account's own policies (rule P5)."""
    number = name.split(":")[4] if name.startswith("arn:") and name.endswith(":root") else name
    return f"account {number}" if number.isdigit() else name


def actions_of(document: Mapping[str, Any]) -> list[str]:
    """The actions of a statement, one entry each."""
    if "NotAction" in document:
        return [f"every action but {', '.join(listed(document['NotAction']))}"]
    return listed(document.get("Action"))


def resources_of(document: Mapping[str, Any]) -> list[str]:
    """The resources of a statement, one entry each; empty where it has no Resource."""
    if "NotResource" in document:
        return [f"every resource but {', '.join(listed(document['NotResource']))}"]
    return [EVERYWHERE if name == "*" else name for name in listed(document.get("Resource"))]


def conditions_of(document: Mapping[str, Any]) -> list[str]:
    """The conditions of a statement, all of which have to hold, one entry each."""
    return [
        _condition(operator, key, listed(values))
        for operator, entries in (document.get("Condition") or {}).items()
        for key, values in entries.items()
    ]


def _condition(operator: str, key: str, values: list[str]) -> str:
    prefix, _, rest = operator.rpartition(":")
    base = rest.removesuffix("IfExists")
    if base == "Null":
        return f"{key} is {'absent' if values == ['true'] else 'present' if values == ['false'] else 'either'}"
    words = f"{_OPERATORS.get(base, base)} {' or '.join(values)}"
    if prefix:
        each = "every value of" if prefix == "ForAllValues" else "some value of"
        words = f"{each} {key} {words}" + (", or there is none" if prefix == "ForAllValues" else "")
    else:
        words = f"{key} {words}"
    return f"{words}, or {key} is absent" if rest != base else words


def sentence(document: Mapping[str, Any], subject: str) -> str:
    """A statement as one sentence about `subject`."""
    verb = "may" if document.get("Effect", "Allow") == "Allow" else "may never"
    text = f"{subject} {verb} call {', '.join(actions_of(document))}"
    if resources := resources_of(document):
        text += f" on {' or '.join(resources)}"
    if tests := conditions_of(document):
        text += f", if {' and '.join(tests)}"
    return text[0].upper() + text[1:] + "."


def policy_sentence(document: Mapping[str, Any]) -> str:
    """A statement of a resource policy as one sentence."""
    names = " or ".join(principals_of(document)) or "nobody"
    return sentence(document, f"everybody but {names}" if "NotPrincipal" in document else names)


def trust_sentence(document: Mapping[str, Any], role: str) -> str:
    """A statement of a trust policy as one sentence."""
    allow = document.get("Effect", "Allow") == "Allow"
    names = " or ".join(principals_of(document)) or "nobody"
    if "NotPrincipal" in document:
        names = f"everybody but {names}"
    text = f"{names} {'may' if allow else 'may never'} call {', '.join(actions_of(document))} on {role}"
    if tests := conditions_of(document):
        text += f", if {' and '.join(tests)}"
    return text[0].upper() + text[1:] + "."
