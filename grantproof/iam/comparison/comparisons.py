"""`grantproof compare`: compares two sets of policies given as plain data; the result as plain data or in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from grantproof.iam.assumption import DEFAULTS, Assumptions, in_doubt
from grantproof.iam.comparison.compare import Comparison, Difference, compare
from grantproof.iam.errors import BadRequest, IamError, MalformedPolicy
from grantproof.iam.layers import Layers, parse_layers
from grantproof.iam.lines import checked
from grantproof.iam.principal import Kind, Principal
from grantproof.iam.request import Request
from grantproof.iam.strict_json import parse_json

_FIELDS = frozenset({"id", "old", "new", "owner"})


def compared(case: Any, assumptions: Assumptions = DEFAULTS) -> dict[str, Any]:
    """Compare one case: `{"old": layers, "new": layers, "owner": account}` with the layers of `grantproof evaluate`.

    Raises:
        IamError: the case is malformed.
    """
    case = checked(case, _FIELDS)
    for name in ("old", "new"):
        if not isinstance(case.get(name), Mapping):
            raise BadRequest(f"{name} is an object of layers", element=name)
    owner = case.get("owner")
    if owner is not None and not (isinstance(owner, str) and owner.isdigit() and len(owner) == 12):
        raise BadRequest(f"owner {owner!r} is not 12 digits in quotes", element="owner")
    old, new = (_side(case, name) for name in ("old", "new"))
    return as_dict(compare(old, new, owner=owner, assumptions=assumptions))


def _side(case: Mapping[str, Any], name: str) -> Layers:
    """The layers of one side. Errors say which side it is."""
    try:
        return layers_of(case[name])
    except IamError as error:
        place = f"{name}.{error.document}" if error.document else name
        raise type(error)(error.message, place, error.statement, error.element) from None


def compared_documents(old: Any, new: Any) -> Comparison:
    """Compare two policy documents: identity policies as such, and policies that name principals as the policies of one
    resource, for callers whose own policies allow everything.

    Raises:
        IamError: a document is malformed; its `document` begins with `old` or `new`.
    """
    sides = []
    for name, document in (("old", old), ("new", new)):
        try:
            sides.append(_one_document(document))
        except IamError as error:
            raise type(error)(error.message, name, error.statement, error.element) from None
    if (sides[0].resource is None) != (sides[1].resource is None):
        raise BadRequest("one document names principals and the other does not: they are not of one kind", "new")
    return compare(*sides)


_EVERYTHING = {"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}


def _one_document(document: Any) -> Layers:
    statements = document.get("Statement", []) if isinstance(document, Mapping) else []
    statements = statements if isinstance(statements, list) else [statements]
    if any(isinstance(s, Mapping) and {"Principal", "NotPrincipal"} & set(s) for s in statements):
        return layers_of({"identity": [_EVERYTHING], "resource": document})
    return layers_of({"identity": [document]})


_HEADLINES = {
    "equal": "equal: both allow the same, for every request that can ever be made",
    "narrower": "narrower: NEW allows nothing new, and less than OLD",
    "wider": "wider: NEW allows everything that OLD does, and more",
    "different": "different: NEW allows something new, and lacks something else",
    "undetermined": "undetermined: it cannot be said that NEW allows nothing new",
}


def together(found: Iterable[tuple[str, Comparison]]) -> dict[str, Any]:
    """Comparisons of several subjects as one answer, in the form of `as_dict`; each difference names its subject."""
    out: dict[str, Any] = {"verdict": "", "new_access": [], "lost_access": []}
    reasons: dict[str, None] = {}
    depends: set[str] = set()
    for subject, comparison in found:
        one = as_dict(comparison)
        for way in ("new_access", "lost_access"):
            out[way] += [{"subject": subject, **difference} for difference in one[way]]
        if comparison.reason:
            reasons[f"{subject}: {comparison.reason}"] = None
        depends |= set(comparison.depends_on)
    out["verdict"] = verdict_of(gained=bool(out["new_access"]), lost=bool(out["lost_access"]), doubt=bool(reasons))
    out |= {"reason": "; ".join(reasons)} if reasons else {}
    return out | ({"depends_on": sorted(depends, key=lambda name: int(name[1:]))} if depends else {})


def verdict_of(*, gained: bool, lost: bool, doubt: bool) -> str:
    """The verdict over everything that was compared. With a doubt it is undetermined, unless new access was found."""
    if doubt and not gained:
        return "undetermined"
    return {(False, False): "equal", (True, False): "wider", (False, True): "narrower"}.get((gained, lost), "different")


def in_words(answer: Mapping[str, Any]) -> str:
    """An answer for people: the verdict, then every piece of access gained (+) and lost (-) with an example request."""
    lines = [_HEADLINES[answer["verdict"]]]
    if "reason" in answer:
        lines.append(f"  because {answer['reason']}")
    if "depends_on" in answer:
        lines.append(f"  {in_doubt(answer['depends_on'])}")
    for sign, differences in (("+", answer["new_access"]), ("-", answer["lost_access"])):
        for difference in differences:
            subject = f"{difference['subject']} " if difference.get("subject") else ""
            lines.append(f"{sign} {subject}{difference['clause']}")
            lines.append(f"    for example {_example(difference['witness'])}")
    lines += [f"note: {note}" for note in answer.get("notes", ())]
    return "\n".join(lines)


def _example(witness: Mapping[str, Any]) -> str:
    who = witness["principal"]
    who = who if isinstance(who, str) else next(iter(who.values()))
    text = f"{'anybody' if who == '*' else who} calls {witness['action']} on {witness['resource']}"
    context = witness.get("context") or {}
    if isinstance(context, str):
        return f"{text} with {context}"
    keys = ", ".join(f"{k}={v if isinstance(v, str) else ' '.join(v)}" for k, v in sorted(context.items()))
    return f"{text} with {keys}" if keys else text


def layers_of(data: Mapping[str, Any]) -> Layers:
    """Layers from plain data. There is no request that tells the type of the resource policy, so the document does: one
    without `Resource` whose actions are all of STS is a trust policy, one whose actions are all of KMS a key policy.

    Raises:
        IamError: as `parse_layers`; or a resource policy that names actions of STS or KMS, and is not clearly a trust
            or key policy. No other resource policy decides about these actions, so its statements about them would make
            no difference.
    """
    named, but_for, without_resource = _actions(data.get("resource"))
    of_service = {action.partition(":")[0].lower() for action in (*named, *but_for)}
    if of_service == {"sts"} and without_resource:
        return parse_layers(data, "sts:AssumeRole")
    if of_service == {"kms"} and named:
        return parse_layers(data, "kms:Decrypt", "arn:aws:kms:::key/")
    if of_service == {"sts"}:
        raise MalformedPolicy("a role trust policy has no Resource (R13)", "resource", element="Resource")
    if of_service == {"kms"}:
        raise BadRequest("a policy of NotAction alone does not say whether it is a key's", "resource")
    for service, whose in (("sts", "a role's trust policy"), ("kms", "a key's policy")):
        if any(action.lower().startswith(f"{service}:") for action in named):
            raise BadRequest(
                f"it names actions of {service} beside others, and on those {whose} alone decides: compare it apart",
                "resource",
            )
    return parse_layers(data)


def _actions(document: Any) -> tuple[list[str], list[str], bool]:
    """Every Action and NotAction of a document, and whether no statement has a Resource."""
    if isinstance(document, str):
        document = parse_json(document, "resource")
    statements = document.get("Statement", []) if isinstance(document, Mapping) else []
    found: dict[str, list[str]] = {"Action": [], "NotAction": []}
    bare = True
    for statement in statements if isinstance(statements, list) else [statements]:
        if not isinstance(statement, Mapping):
            continue
        for element, texts in found.items():
            value = statement.get(element, [])
            texts += [a for a in (value if isinstance(value, list) else [value]) if isinstance(a, str)]
        bare = bare and not {"Resource", "NotResource"} & set(statement)
    return found["Action"], found["NotAction"], bare


def as_dict(comparison: Comparison) -> dict[str, Any]:
    """A comparison as plain data, JSON-serialisable."""
    out: dict[str, Any] = {
        "verdict": comparison.verdict.value,
        "new_access": [difference_as_dict(d) for d in comparison.new_access],
        "lost_access": [difference_as_dict(d) for d in comparison.lost_access],
    }
    if comparison.reason:
        out["reason"] = comparison.reason
    if comparison.depends_on:
        out["depends_on"] = list(comparison.depends_on)
    return out


def difference_as_dict(difference: Difference) -> dict[str, Any]:
    """One difference as plain data."""
    out: dict[str, Any] = {
        "clause": str(difference.clause),
        "witness": request_as_dict(difference.witness),
        "because": [
            {"policy": c.policy, "statement": c.statement, "sid": c.sid, "effect": c.effect} for c in difference.because
        ],
    }
    if difference.owner_lets_in:
        out["where_the_owner_lets_in"] = True
    return out


def request_as_dict(request: Request) -> dict[str, Any]:
    """A request in the form of `grantproof evaluate`."""
    out: dict[str, Any] = {"principal": _named(request.principal)}
    if request.principal.issuer is not None and request.principal.kind in (Kind.ROLE_SESSION, Kind.FEDERATED_USER):
        out["session_issuer"] = request.principal.issuer
    out |= {"action": request.action, "resource": request.resource}
    if request.resource_account is not None:
        out["resource_account"] = request.resource_account
    context = {key: values[0] if len(values) == 1 else list(values) for key, values in request.context.items()}
    return {**out, "context": dict(sorted(context.items()))}


def _named(principal: Principal) -> Any:
    match principal.kind:
        case Kind.ANONYMOUS:
            return "*"
        case Kind.SERVICE:
            return {"Service": principal.name}
        case Kind.FEDERATED:
            return {"Federated": principal.name}
        case Kind.CANONICAL:
            return {"CanonicalUser": principal.name}
    return principal.arn or principal.issuer
