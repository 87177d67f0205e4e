"""Parses policy documents into statements (rules G1 to G21).

Elements that can be a string or a list become lists here, so that no other code has to distinguish them. A document
that AWS would refuse is refused, with the position of the fault.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import takewhile
from typing import Any, NoReturn

from grantproof.iam.condition import Test, parse_block
from grantproof.iam.errors import MalformedPolicy, in_json
from grantproof.iam.glob import Glob, glob
from grantproof.iam.pattern import Pattern, PatternError, Variable, holds_private, outline, read
from grantproof.iam.policy import Policy, PolicyType, Statement
from grantproof.iam.principal import PrincipalElement, is_origin_access_identity, is_unique_id, named_account
from grantproof.iam.strict_json import parse_json

#: Types with principals: `Principal` is mandatory in these and forbidden in the others (rules P1, S9, S21, S26).
WITH_PRINCIPAL = frozenset({PolicyType.RESOURCE, PolicyType.TRUST, PolicyType.KEY, PolicyType.RCP, PolicyType.ENDPOINT})
#: The greatest number of characters in a document, and whether white space counts (rules G13, T12, S12, S22, S26, K25).
#: For trust policies it is the value to which the quota can be raised. For identity policies it depends on the entity
#: that they are attached to, so it is not here.
LIMITS: Mapping[PolicyType, tuple[int, bool]] = {
    PolicyType.TRUST: (4096, False),
    PolicyType.SESSION: (2048, True),
    PolicyType.SCP: (5120, True),
    PolicyType.RCP: (5120, True),
    PolicyType.ENDPOINT: (20480, True),
    PolicyType.KEY: (32768, True),
}
VERSIONS = ("2008-10-17", "2012-10-17")
_ELEMENTS = frozenset("Sid Effect Principal NotPrincipal Action NotAction Resource NotResource Condition".split())


def parse(document: Any, type_: PolicyType, label: str) -> Policy:
    """Parse one policy document (plain data or JSON text).

    Raises:
        MalformedPolicy: AWS would refuse to save it; names document, statement and element. Unknown actions and
            condition keys are no errors (rules A10, G17).
    """
    if isinstance(document, str):
        document = parse_json(document, label)
    if not isinstance(document, Mapping):
        raise MalformedPolicy('a policy is a JSON object: {"Version": ..., "Statement": [...]}', label)
    _check_size(document, type_, label)
    for element in document:
        if element not in _TOP:
            message = f"{element!r} is not an element of a policy (G1){_nearest(element, _TOP)}"
            if element in _ELEMENTS:
                message += '; a statement stands in {"Statement": [...]}'
            elif element in _AROUND_A_POLICY:
                message += "; give the policy document that it holds"
            elif element in ("AWSTemplateFormatVersion", "Resources", "Transform"):
                message += "; of a template, compare the folder of its grant"
            raise MalformedPolicy(message, label, element=str(element))
    if "Id" in document and type_ not in WITH_PRINCIPAL:
        raise MalformedPolicy("Id is allowed in resource-based policies only (G3)", label, element="Id")
    version = document.get("Version", VERSIONS[0])
    if version not in VERSIONS or (type_ is PolicyType.RCP and version != VERSIONS[1]):
        raise MalformedPolicy(f"Version {version!r} is not {VERSIONS[1]} (G2)", label, element="Version")
    if "Statement" not in document:
        raise MalformedPolicy("Statement is missing (G1)", label, element="Statement")
    raw = document["Statement"]
    items = raw if isinstance(raw, list | tuple) else [raw]
    statements = tuple(_Reader(label, type_, version, index).read(item) for index, item in enumerate(items))
    _check_sids(statements, label)
    return Policy(label, type_, version, statements)


def _nearest(element: object, known: Sequence[str]) -> str:
    """The end of an error message with the element that was probably meant; empty if none is similar."""
    near = difflib.get_close_matches(str(element).capitalize(), known, n=1)
    return f"; the nearest is {near[0]}" if near else ""


_TOP = ("Version", "Id", "Statement")
#: The keys that the AWS CLI prints around a document (get-policy-version, get-role-policy, get-bucket-policy).
_AROUND_A_POLICY = frozenset(
    "PolicyVersion PolicyDocument PolicyName RoleName UserName GroupName Policy Document".split()
)


def _check_size(document: Mapping[str, Any], type_: PolicyType, label: str) -> None:
    if type_ not in LIMITS:
        return
    # Parsed data has no white space, so limits that count it are checked without it, which is never too strict.
    limit, _ = LIMITS[type_]
    size = len(json.dumps(document, separators=(",", ":"), ensure_ascii=False))
    if size > limit:
        raise MalformedPolicy(f"{size} characters; a {type_.value} has at most {limit}", label)


def _check_sids(statements: tuple[Statement, ...], label: str) -> None:
    seen: set[str] = set()
    for statement in statements:
        if statement.sid is not None and statement.sid in seen:
            raise MalformedPolicy(
                f"Sid {statement.sid!r} is not unique in the policy (G6)", label, statement.index, "Sid"
            )
        seen.add(statement.sid or "")


class _Reader:
    """Parses one statement, and knows its position for errors."""

    def __init__(self, label: str, type_: PolicyType, version: str, index: int) -> None:
        self._label, self._type, self._index = label, type_, index
        self._variables = version == VERSIONS[1]

    def _refuse(self, message: str, element: str | None = None) -> NoReturn:
        raise MalformedPolicy(message, self._label, self._index, element)

    def read(self, raw: Any) -> Statement:
        if not isinstance(raw, Mapping):
            self._refuse(f"a statement is a JSON object, and this is {in_json(raw)}")
        for element in raw:
            if element not in _ELEMENTS:
                hint = _nearest(element, sorted(_ELEMENTS))
                self._refuse(f"{element!r} is not an element of a statement (G10){hint}", str(element))
        if "Effect" not in raw:
            self._refuse("Effect is missing (G5)", "Effect")
        effect = raw["Effect"]
        if effect not in ("Allow", "Deny"):
            self._refuse(f"Effect is {effect!r}, not Allow or Deny (G5)", "Effect")
        not_action, actions = self._one_of(raw, "Action", "NotAction")
        not_resource, resources = self._resources(raw)
        not_principal, principals = self._principals(raw, effect)
        statement = Statement(
            index=self._index,
            sid=self._sid(raw),
            allow=effect == "Allow",
            actions=self._actions(actions, "NotAction" if not_action else "Action"),
            not_action=not_action,
            resources=resources,
            not_resource=not_resource,
            principals=principals,
            not_principal=not_principal,
            conditions=self._conditions(raw),
        )
        if self._type is PolicyType.RCP:
            self._check_rcp(raw, statement)
        return statement

    def _one_of(self, raw: Mapping[str, Any], plain: str, negated: str) -> tuple[bool, tuple[str, ...]]:
        if plain in raw and negated in raw:
            self._refuse(f"{plain} and {negated} exclude each other (G4)", negated)
        if plain not in raw and negated not in raw:
            self._refuse(f"{plain} or {negated} is missing (G4)", plain)
        element = negated if negated in raw else plain
        return negated in raw, self._strings(raw[element], element)

    def _strings(self, value: Any, element: str) -> tuple[str, ...]:
        items = value if isinstance(value, list | tuple) else [value]
        for item in items:
            if not isinstance(item, str):
                self._refuse(f"{element} holds text, not {in_json(item)} (G8)", element)
        return tuple(items)

    def _sid(self, raw: Mapping[str, Any]) -> str | None:
        sid = raw.get("Sid")
        if sid is None and "Sid" not in raw:
            return None
        if not isinstance(sid, str):
            self._refuse(f"Sid {sid!r} is not text (G6)", "Sid")
        # Other services accept more characters than IAM, so only IAM's own documents are checked.
        strict = self._type not in (PolicyType.RESOURCE, PolicyType.KEY, PolicyType.ENDPOINT)
        if strict and not re.fullmatch(r"[A-Za-z0-9]*", sid):
            self._refuse(f"Sid {sid!r} has characters other than A-Z, a-z and 0-9 (G6)", "Sid")
        return sid or None

    def _actions(self, texts: tuple[str, ...], element: str) -> tuple[Glob, ...]:
        found = tuple(one for one in map(_action_pattern, texts) if one is not None)
        if len(found) != len(texts):
            wrong = next(text for text in texts if _action_pattern(text) is None)
            self._refuse(f"{wrong!r} is not of the form service:Name (A1)", element)
        return found

    def _resources(self, raw: Mapping[str, Any]) -> tuple[bool, tuple[Pattern, ...] | None]:
        present = [element for element in ("Resource", "NotResource") if element in raw]
        if self._type is PolicyType.TRUST and present:
            self._refuse("a role trust policy has no Resource (R13)", present[0])
        if not present:
            if self._type in (PolicyType.RESOURCE, PolicyType.TRUST, PolicyType.KEY):
                return False, None
            self._refuse("Resource or NotResource is missing (R1)", "Resource")
        negated, texts = self._one_of(raw, "Resource", "NotResource")
        return negated, tuple(self._resource(text, present[0]) for text in texts)

    def _resource(self, text: str, element: str) -> Pattern:
        if not text.startswith("arn:") and (not text or text.strip("*")):
            self._refuse(f"{text!r} is neither an ARN nor '*' (R21)", element)
        # The colon inside a variable does not separate fields.
        missing = 5 - (outline(text) if self._variables else text).count(":")
        if missing > 0 and text.strip("*"):
            if self._type is PolicyType.SESSION:
                self._refuse(f"{text!r} is an incomplete ARN, which a session policy may not hold (R9)", element)
            text += ":*" * missing  # rule R8
        try:
            return _resource_pattern(text, variables=self._variables)
        except PatternError as error:
            self._refuse(str(error), element)

    def _conditions(self, raw: Mapping[str, Any]) -> tuple[Test, ...]:
        if "Condition" not in raw:
            return ()
        try:
            return parse_block(raw["Condition"], variables=self._variables)
        except MalformedPolicy as error:
            self._refuse(error.message, "Condition")

    def _principals(self, raw: Mapping[str, Any], effect: str) -> tuple[bool, PrincipalElement | None]:
        present = [element for element in ("Principal", "NotPrincipal") if element in raw]
        if self._type not in WITH_PRINCIPAL:
            if present:
                self._refuse(f"this policy, {self._type.value}, has no {present[0]} (P1)", present[0])
            return False, None
        if len(present) != 1:
            wrong = "exclude each other (G4)" if present else "are both missing (P1)"
            self._refuse(f"Principal and NotPrincipal {wrong}", "Principal")
        element = present[0]
        if element == "NotPrincipal":
            if self._type in (PolicyType.TRUST, PolicyType.RCP):
                self._refuse(f"a {self._type.value} does not accept NotPrincipal (P28)", element)
            if effect == "Allow":
                self._refuse("NotPrincipal is supported with Deny only (P27)", element)
        return element == "NotPrincipal", self._principal_element(raw[element], element)

    def _principal_element(self, raw: Any, element: str) -> PrincipalElement:
        if raw == "*":
            return PrincipalElement(everyone=True)
        if not isinstance(raw, Mapping):
            self._refuse(f"{element} is '*' or an object of AWS, Federated, Service, CanonicalUser (P3)", element)
        found: dict[str, set[str]] = {name: set() for name in ("AWS", "Service", "Federated", "CanonicalUser")}
        for key, value in raw.items():
            if key not in found:
                self._refuse(f"{key!r} is not a kind of principal (P3)", element)
            found[key].update(self._strings(value, element))
        for key, texts in found.items():
            for text in texts:
                self._check_principal(key, text, element)
        accounts = {account for text in found["AWS"] if (account := named_account(text))}
        unique_ids = {text for text in found["AWS"] if is_unique_id(text)}
        identities = {text for text in found["AWS"] if is_origin_access_identity(text)}
        return PrincipalElement(
            everyone="*" in found["AWS"],
            accounts=frozenset(accounts),
            arns=frozenset(t for t in found["AWS"] - identities if t.startswith("arn:") and not named_account(t)),
            unique_ids=frozenset(unique_ids),
            services=frozenset(found["Service"]),
            providers=frozenset(found["Federated"]),
            canonical=frozenset(found["CanonicalUser"] | identities),
        )

    def _check_principal(self, key: str, text: str, element: str) -> None:
        if holds_private(text):
            self._refuse(f"{text!a} holds a character of Unicode's private area (G12)", element)
        if key == "AWS":
            if text == "*":
                return
            if "*" in text or "?" in text:
                self._refuse(f"{text!r}: a wildcard cannot stand for a part of a principal (P10)", element)
            if named_account(text) or is_unique_id(text) or _PRINCIPAL_ARN.fullmatch(text):
                return
            if is_origin_access_identity(text):
                return
            self._refuse(f"{text!r} is no account, user, role or session (P3)", element)
        if not text or "*" in text or "?" in text:
            self._refuse(f"{key} {text!r}: wildcards are not accepted here (P10, P13)", element)

    def _check_rcp(self, raw: Mapping[str, Any], statement: Statement) -> None:
        """Check that a customer's RCP only denies; AWS's own RCPFullAWSAccess is the only one that allows (rules S20,
        S21)."""
        everyone = raw.get("Principal") in ("*", {"AWS": "*"}, {"AWS": ["*"]})
        if not everyone:
            self._refuse("a resource control policy has Principal '*' (S21)", "Principal")
        if statement.not_action:
            self._refuse("a resource control policy does not accept NotAction (S21)", "NotAction")
        bare = any(action.everything for action in statement.actions)
        if statement.allow:
            full = bare and not statement.not_resource and not statement.conditions
            if not (full and all(r.text == "*" for r in statement.resources or ())):
                self._refuse("a resource control policy only denies (S21)", "Effect")
        elif bare:
            self._refuse("a resource control policy names the service of each action (S21)", "Action")


_ACTION = re.compile(r"[A-Za-z0-9*?-]+:[A-Za-z0-9*?_.-]+")


# Cached, since most policies name the same actions and resources.


@lru_cache(maxsize=65_536)
def _action_pattern(text: str) -> Glob | None:
    """An Action; None if it does not have the form service:Name (rule A1)."""
    return glob(text.lower()) if text == "*" or _ACTION.fullmatch(text) else None


@lru_cache(maxsize=65_536)
def _resource_pattern(text: str, *, variables: bool) -> Pattern:
    """A Resource with six fields, or `*`. A variable before the fifth colon is parsed, and marked (rule R19, O42).

    Raises:
        PatternError: a variable that cannot be parsed.
    """
    found = read(text, variables=variables, wildcards=True)
    if found.fixed is not None:
        return found
    before = takewhile(lambda part: not isinstance(part, Variable), found.parts)
    return replace(found, early=sum(part.count(":") for part in before if isinstance(part, str)) < _COLONS)


#: Between the fields of an ARN.
_COLONS = 5


_PRINCIPAL_ARN = re.compile(
    r"arn:[a-z-]+:(iam::\d{12}:(user|role)/\S+|sts::\d{12}:(assumed-role/[^/\s]+/\S+|federated-user/\S+))"
)


#: The identity policy of a caller whose own account allows it everything, so that only the other policies decide.
EVERYTHING = parse(
    {"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}, PolicyType.IDENTITY, "everything"
)
