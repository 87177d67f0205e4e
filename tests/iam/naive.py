"""A second evaluator, for tests only: written from docs/iam-rules.md, slow and plain, sharing no code with the first.

It works on the JSON of `grantproof evaluate` and knows users, root users, role sessions, services and anonymous
callers; policy variables; every condition operator. It knows no KMS, STS and IAM, no federated users, service-linked
roles, unique ids or second partition, and RCPs for S3 and SQS only. Open points are read by their default. What it does
not know raises `NotImplementedError`.
"""

from __future__ import annotations

import base64
import datetime
import ipaddress
from decimal import Decimal, InvalidOperation
from typing import Any

Doc = dict[str, Any]


def decide(case: Doc) -> str:
    """`allowed`, `explicitDeny` or `implicitDeny`: the procedure after rule E44, read aloud."""
    request, policies = case["request"], case["policies"]
    who, context, owner = caller(request)
    ask = (request["action"], request["resource"], who, context)
    service_prefix = request["action"].split(":")[0].lower()
    if service_prefix in ("kms", "sts", "iam") or policies.get("grants") or case.get("assumptions"):
        raise NotImplementedError(service_prefix)
    layers: list[tuple[str, list[Doc]]] = [("identity", policies.get("identity") or [])]
    way_in = {f"{service}:{name}bucketpolicy" for service in ("s3", "s3express") for name in ("get", "put", "delete")}
    own_root = who["kind"] == "root" and who["account"] == owner
    if policies.get("resource") and not (own_root and request["action"].lower() in way_in):
        layers.append(("resource", [policies["resource"]]))
    layers += [(name, policies[name]) for name in ("boundary", "session", "endpoint") if policies.get(name)]
    service = who["kind"] in ("service", "anonymous")
    if policies.get("scp") is not None and not service:
        layers += [(f"scp{n}", level) for n, level in enumerate(policies["scp"])]
        if not policies["scp"]:
            layers.append(("scp", []))
    if policies.get("rcp") is not None:
        if service_prefix not in ("s3", "sqs"):
            raise NotImplementedError("RCP")
        layers += [(f"rcp{n}", level) for n, level in enumerate(policies["rcp"])]
        if not policies["rcp"]:
            layers.append(("rcp", []))

    bounded = bool(policies.get("boundary"))
    allowing: dict[str, list[tuple[str, Doc]]] = {}
    for name, documents in layers:
        allowing[name] = []
        for document in documents:
            for statement in listed(document["Statement"]):
                how = applies(document, statement, ask, bounded and name == "resource")
                if not how:
                    continue
                if statement["Effect"] == "Deny":
                    return "explicitDeny"
                allowing[name].append((how, statement))

    for name, allows in allowing.items():
        if (name[:3] in ("scp", "rcp") or name == "endpoint") and not allows:
            return "implicitDeny"
    identity, resource = bool(allowing["identity"]), [how for how, _ in allowing.get("resource", [])]
    limits = all(allowing[name] for name in ("boundary", "session") if name in allowing)
    if service:
        return "allowed" if resource else "implicitDeny"
    if who["account"] != owner:
        if who["kind"] == "root":
            return "allowed" if resource else "implicitDeny"
        return "allowed" if resource and identity and limits else "implicitDeny"
    if who["kind"] == "root":
        return "allowed"
    if "self" in resource or "everyone" in resource:
        return "allowed"
    if "role" in resource or identity:
        return "allowed" if limits else "implicitDeny"
    return "implicitDeny"


def caller(request: Doc) -> tuple[Doc, dict[str, list[str]], str | None]:
    """Who calls, the context with the keys that follow from it (rules C45 to C54, C64), and the resource's owner."""
    principal, context = request["principal"], {}
    who: Doc = {"account": None, "arn": None, "role": None, "service": None}
    if principal == "*":
        who["kind"] = "anonymous"
        context |= {"aws:principaltype": ["Anonymous"], "aws:userid": ["anonymous"]}
        context["aws:principalaccount"] = ["anonymous"]
    elif isinstance(principal, dict):
        if set(principal) != {"Service"}:
            raise NotImplementedError("kind of principal")
        who |= {"kind": "service", "service": principal["Service"]}
        context |= {"aws:principalisawsservice": ["true"], "aws:principalservicename": [principal["Service"]]}
    else:
        parts = principal.split(":")
        if parts[1] != "aws" or parts[4] == "cloudfront":
            raise NotImplementedError("partition, or a user of no account")
        who |= {"account": parts[4], "arn": principal}
        what = parts[5].split("/")
        context |= {"aws:principalaccount": [parts[4]], "aws:principalisawsservice": ["false"]}
        if what[0] == "user":
            who["kind"] = "user"
            context |= {"aws:principaltype": ["User"], "aws:username": [what[-1]], "aws:principalarn": [principal]}
        elif what[0] == "root":
            who["kind"] = "root"
            context |= {"aws:principaltype": ["Account"], "aws:userid": [parts[4]], "aws:principalarn": [principal]}
        elif what[0] == "assumed-role":
            if "aws-service-role" in request.get("session_issuer", ""):
                raise NotImplementedError("service-linked role")
            role = request.get("session_issuer") or f"arn:{parts[1]}:iam::{parts[4]}:role/{what[1]}"
            who |= {"kind": "session", "role": role}
            context |= {"aws:principaltype": ["AssumedRole"], "aws:principalarn": [role]}
        else:
            raise NotImplementedError("kind of principal")
    owner = request.get("resource_account")
    if owner is None:
        owner = who["account"] if request["resource"] == "*" else request["resource"].split(":")[4]
    context["aws:resourceaccount"] = [owner]
    service = request["action"].lower().split(":")[0]
    if service == "s3":
        context["s3:resourceaccount"] = [owner]
    if service == "kms" and "aws:principalaccount" in context:
        context["kms:calleraccount"] = context["aws:principalaccount"]
    for key, value in request.get("context", {}).items():
        context[key.lower()] = [text(v) for v in listed(value)]
    return who, context, owner


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def applies(document: Doc, statement: Doc, ask: Any, bounded: bool) -> str:
    """How a statement applies: through `self`, `role`, `account` or `everyone`; empty when it does not."""
    action, resource, who, context = ask
    new = document.get("Version") == "2012-10-17"
    if "Action" in statement:
        if not any(like(a.lower(), action.lower()) for a in listed(statement["Action"])):
            return ""
    elif any(like(a.lower(), action.lower()) for a in listed(statement["NotAction"])):
        return ""
    if "Resource" in statement:
        if not any(covers(r, resource, context, new) for r in listed(statement["Resource"])):
            return ""
    elif "NotResource" in statement and any(
        covers(r, resource, context, new) for r in listed(statement["NotResource"])
    ):
        return ""
    if not all(
        holds(operator, key.lower(), [text(v) for v in listed(values)], context, new)
        for operator, entries in statement.get("Condition", {}).items()
        for key, values in entries.items()
    ):
        return ""
    if "Principal" in statement:
        return named(statement["Principal"], who)
    if "NotPrincipal" in statement:
        return "" if spared(statement["NotPrincipal"], who, bounded) else "everyone"
    return "self"


def named(element: Any, who: Doc) -> str:
    """The strongest way in which a Principal element reaches the caller (rules E11 to E18)."""
    if element == "*":
        element = {"AWS": "*"}
    entries = [(kind, entry) for kind, value in element.items() for entry in listed(value)]
    account = who["account"]
    if any(entry.startswith(("AIDA", "AROA")) for _, entry in entries):
        raise NotImplementedError("unique id")
    if ("Service", who["service"]) in entries or (("AWS", who["arn"]) in entries and who["kind"] != "root"):
        return "self"
    if who["kind"] == "root" and any(e in (account, who["arn"]) for _, e in entries):
        return "self"
    if ("AWS", "*") in entries:
        return "everyone"
    if who["role"] and ("AWS", who["role"]) in entries:
        return "role"
    if account and any(entry == account or entry.endswith(f"::{account}:root") for _, entry in entries):
        return "account"
    return ""


def spared(element: Any, who: Doc, bounded: bool) -> bool:
    """Is the caller left out by NotPrincipal (rules P29 to P31)?"""
    if bounded:
        return False
    if element == "*":
        return True
    entries = [entry for value in element.values() for entry in listed(value)]
    if "*" in entries or who["service"] in entries:
        return True
    account = who["account"]
    has_account = any(e == account or e.endswith(f"::{account}:root") for e in entries) if account else False
    if who["kind"] == "root":
        return has_account
    if who["kind"] == "user":
        return has_account and who["arn"] in entries
    return who["kind"] == "session" and has_account and who["arn"] in entries and who["role"] in entries


def covers(pattern: str, resource: str, context: Any, new: bool) -> bool:
    fields = pattern.split(":", 5)
    if pattern.strip("*") and len(fields) < 6:
        fields += ["*"] * (6 - len(fields))
    if len(fields) == 6:
        tail = substituted(fields[5], context, new)
        if tail is None:
            return False
        pattern = ":".join(fields[:5]) + ":" + tail
    return like(pattern, resource)


ESCAPES = {"*": "\ue000", "?": "\ue001", "$": "$"}


def substituted(pattern: str, context: Any, new: bool) -> str | None:
    """Variables replaced; literal wildcards stand as private characters. None when a variable has no value."""
    out, rest = "", pattern
    while new and "${" in rest:
        before, _, rest = rest.partition("${")
        name, _, rest = rest.partition("}")
        if name in ESCAPES:
            value = ESCAPES[name]
        else:
            key, _, default = name.partition(", '")
            values = context.get(key.lower(), [])
            value = values[0] if len(values) == 1 and values[0] else default.rstrip("'")
            if not value:
                return None
            value = value.replace("*", ESCAPES["*"]).replace("?", ESCAPES["?"])
        out += before + value
    return out + rest


def like(pattern: str, value: str) -> bool:
    """`*` and `?`, by plain recursion on the first star."""
    head, star, rest = pattern.partition("*")
    if len(value) < len(head) or (not star and len(value) != len(head)):
        return False
    plain = str.maketrans({"\ue000": "*", "\ue001": "?"})
    if any(p not in ("?", v) and p.translate(plain) != v for p, v in zip(head, value, strict=False)):
        return False
    if not star:
        return True
    return any(like(rest, value[n:]) for n in range(len(head), len(value) + 1))


def holds(name: str, key: str, wanted: list[str], context: Any, new: bool) -> bool:
    """One entry of a Condition block (rules C1 to C44)."""
    prefix, _, base = name.rpartition(":")
    values = context.get(key) or None
    if prefix and values and not any(values):
        values = None
    if base == "Null":
        if prefix:
            return prefix == "ForAllValues"
        return any((values is None) == (w.lower() == "true") for w in wanted)
    optional = base.endswith("IfExists")
    base = base.removesuffix("IfExists")
    negated = "Not" in base
    if values is None:
        return True if optional or prefix == "ForAllValues" else negated and not prefix
    if not prefix and len(values) > 1:
        raise NotImplementedError("O24")
    one = [any(compare(base.replace("Not", ""), v, w, context, new) for w in wanted) != negated for v in values]
    return any(one) if prefix == "ForAnyValue" else all(one)


def compare(base: str, value: str, wanted: str, context: Any, new: bool) -> bool:
    if base.startswith(("String", "Arn")):
        resolved = substituted(wanted, context, new)
        if resolved is None:
            return False
        if base.startswith("Arn"):
            left, right = value.split(":", 5), resolved.split(":", 5)
            right += ["*"] * (6 - len(right))
            return len(left) == len(right) == 6 and all(like(r, v) for v, r in zip(left, right, strict=True))
        if base == "StringLike":
            return like(resolved, value)
        resolved = resolved.replace("\ue000", "*").replace("\ue001", "?")
        return resolved == value or (
            "IgnoreCase" in base and [*map(str.casefold, resolved)] == [*map(str.casefold, value)]
        )
    if base == "Bool":
        return value.lower() == wanted.lower()
    if base == "BinaryEquals":
        try:
            return base64.b64decode(value, validate=True) == base64.b64decode(wanted, validate=True)
        except ValueError:
            return False
    if base == "IpAddress":
        try:
            return ipaddress.ip_address(value) in ipaddress.ip_network(wanted, strict=False)
        except ValueError:
            return False
    family, relation = ("Numeric", base[7:]) if base.startswith("Numeric") else ("Date", base[4:])
    convert = number if family == "Numeric" else moment
    left, right = convert(value), convert(wanted)
    if left is None or right is None:
        return False
    return {
        "Equals": left == right,
        "LessThan": left < right,
        "LessThanEquals": left <= right,
        "GreaterThan": left > right,
        "GreaterThanEquals": left >= right,
    }[relation]


def number(value: str) -> Decimal | None:
    try:
        return Decimal(value)
    except InvalidOperation:
        return None


def moment(value: str) -> Decimal | None:
    if len(value) != 4 and (found := number(value)) is not None:
        return found
    try:
        full = datetime.datetime.fromisoformat(value)
    except ValueError:
        return None
    return Decimal(str((full if full.tzinfo else full.replace(tzinfo=datetime.UTC)).timestamp()))
