"""Does a statement apply to a request (rule E4)? All of its elements have to match."""

from __future__ import annotations

from collections.abc import Mapping

from grantproof.iam.assumption import Judge
from grantproof.iam.condition import holds
from grantproof.iam.errors import Undecided
from grantproof.iam.glob import Glob
from grantproof.iam.operators import Type
from grantproof.iam.pattern import Pattern, single_value, within_fields
from grantproof.iam.policy import Policy, PolicyType, Statement
from grantproof.iam.principal import Kind, Via
from grantproof.iam.request import Request, Values


def applies(policy: Policy, statement: Statement, request: Request, judge: Judge, *, has_boundary: bool) -> Via:
    """How a statement whose action matches applies: `Via.NONE` if it does not, `Via.ITSELF` for policies without
    principals. `has_boundary`: does the caller have a permissions boundary (rule P30)?

    Raises:
        Undecided: it depends on something that is not known or not documented.
    """
    via = principal_matches(policy, statement, request, judge, has_boundary=has_boundary)
    if not via:
        return Via.NONE
    # If the resource is not known, the condition is evaluated first, since a false one is enough.
    if request.resource is not None and not resource_matches(policy, statement, request, judge):
        return Via.NONE
    if not conditions_hold(statement, request, judge):
        return Via.NONE
    if lacks_value(statement, request.values, judge) and judge.takes("O9", "void"):
        return Via.NONE
    if request.resource is None:
        _refuse_unknown_resource(policy, statement)
    return via


def lacks_value(statement: Statement, values: Mapping[str, Values], judge: Judge) -> bool:
    """Does a policy variable of the statement have neither a value nor a default (O9)? Variables in Bool do not count,
    since it is open whether they are variables (O4), nor do those before the fifth colon of a Resource that is never
    replaced (O42)."""
    return any(
        pattern.fixed is None and pattern.resolve(single_value(values)) is None and not never_matches(pattern, judge)
        for patterns in (
            statement.resources or (),
            *(test.values for test in statement.conditions if test.operator.type is not Type.BOOL),
        )
        for pattern in patterns
    )


def never_matches(pattern: Pattern, judge: Judge) -> bool:
    """Does a Resource have a variable at a place where AWS says that none can be, and is the reading that it then
    matches nothing (O42)?"""
    return pattern.early and judge.takes("O42", "never")


def conditions_hold(statement: Statement, request: Request, judge: Judge) -> bool:
    """Is the whole Condition block true (rule C1)? An undecided entry does not matter beside a false one.

    Raises:
        Undecided: no entry is false, and at least one is undecided.
    """
    doubt: Undecided | None = None
    for test in statement.conditions:
        try:
            if not holds(test, request, judge):
                return False
        except Undecided as error:
            doubt = error
    if doubt is not None:
        raise doubt
    return True


def principal_matches(
    policy: Policy, statement: Statement, request: Request, judge: Judge, *, has_boundary: bool
) -> Via:
    """How the statement's Principal or NotPrincipal reaches the caller."""
    element = statement.principals
    if element is None:
        return Via.ITSELF
    caller = request.principal
    user_id = request.values.get("aws:userid", (None,))[0] if element.unique_ids else None
    if element.unique_ids and user_id is None and caller.kind in (Kind.USER, Kind.ROLE_SESSION):
        raise Undecided("a principal is named by its unique id; the request does not carry aws:userid (P21, P22)")
    via = element.reaches(caller, user_id)
    if not via & (Via.ROLE | Via.FEDERATING_USER | Via.ITSELF) and element.may_name_issuer(caller):
        raise Undecided("the caller may be a session of one that is named here: give the request's session_issuer (P6)")
    if statement.not_principal:
        return Via.NONE if _spared(via, request, judge, has_boundary=has_boundary) else Via.EVERYONE
    if not via and caller.session_unknown and element.may_name_session(caller.issuer or ""):
        raise Undecided("a session of the role is named; the request does not say which session it is (P7)")
    if policy.type is PolicyType.TRUST and only(via, Via.EVERYONE) and judge.takes("O10", "refused"):
        return Via.NONE
    if only(via, Via.ACCOUNT):
        return _through_account(policy, statement, request, judge)
    return via


def only(via: Via, way: Via) -> bool:
    """Is the caller reached in this way only?"""
    return bool(via) and not via & ~way


def _through_account(policy: Policy, statement: Statement, request: Request, judge: Judge) -> Via:
    """A statement that reaches the caller only through its account."""
    caller = request.principal
    if not statement.allow and caller.account == request.resource_account and judge.takes("O36", "delegation"):
        return Via.NONE
    gateway = policy.type is PolicyType.ENDPOINT and request.key.startswith(("s3:", "dynamodb:"))
    if gateway and caller.kind is not Kind.ROOT:
        raise Undecided("on a gateway endpoint an account principal covers the root user only (S27)")
    return Via.ACCOUNT


def _spared(via: Via, request: Request, judge: Judge, *, has_boundary: bool) -> bool:
    """Is the caller excluded from a Deny with NotPrincipal? Every level that a service may check has to be listed: the
    account, the role or user, and the session (rules P29 to P31)."""
    if has_boundary:
        return False
    if Via.EVERYONE in via:
        return True
    if request.principal.kind in (Kind.USER, Kind.FEDERATED_USER, Kind.ROLE_SESSION):
        needed = Via.ITSELF | Via.ACCOUNT
        if request.principal.kind is Kind.ROLE_SESSION:
            needed |= Via.ROLE
        if only(via, Via.ACCOUNT):
            return judge.takes("O21", "spared")
        return needed in via
    return bool(via)


def resource_matches(policy: Policy, statement: Statement, request: Request, judge: Judge) -> bool:
    """Do Resource or NotResource cover the request's resource (rules R1 to R12, K10)? The resource has to be known."""
    patterns = statement.resources
    if patterns is None:
        return policy.type is not PolicyType.KEY
    matched = any(_covers(pattern, request, judge) for pattern in patterns)
    return matched != statement.not_resource


def _covers(pattern: Pattern, request: Request, judge: Judge) -> bool:
    resource = request.resource or ""
    glob = pattern.fixed or pattern.resolve(single_value(request.values))
    if glob is None or never_matches(pattern, judge):
        return False
    if glob.matches(resource):
        return glob.literal is not None or glob.everything or _wildcards_agree(glob, resource, judge)
    if resource == "*":
        return of_whole_service(pattern) and judge.takes("O28", "covered")
    return is_user(resource) and _case_aside(glob, resource, judge)


def of_whole_service(pattern: Pattern) -> bool:
    """Is it a wildcard ARN with only wildcards in place of the resource (O28)? `arn:aws:s3:::bucket/*` is not: it names
    the objects of one bucket, and no example claims that it covers actions without a resource (E37)."""
    fields = pattern.outline.split(":", 5)
    named = fields[5].strip("*?") if len(fields) == 6 else ""
    return pattern.text.startswith("arn:") and pattern.text.endswith("*") and not named


def _wildcards_agree(glob: Glob, resource: str, judge: Judge) -> bool:
    """Does a match of the whole string by wildcards count, under the readings of O5 and O39?"""
    if wild_service(glob) and judge.takes("O39", "never"):
        return False
    return within_fields(glob).matches(resource) or judge.takes("O5", "string")


def wild_service(glob: Glob) -> bool:
    """Does an ARN pattern have a wildcard in its service field (O39)?"""
    fields = str(glob).split(":", 3)
    return len(fields) == 4 and ("*" in fields[2] or "?" in fields[2])


def _case_aside(glob: Glob, resource: str, judge: Judge) -> bool:
    """Does the name of an IAM user match if case does not matter, and is that the reading (O6)? The names are unique
    whatever their case."""
    folded = Glob(token.lower() if isinstance(token, str) else token for token in glob.tokens)
    resource = resource.lower()
    if not (folded.matches(resource) and judge.takes("O6", "insensitive")):
        return False
    return folded.literal is not None or folded.everything or _wildcards_agree(folded, resource, judge)


def is_user(resource: str) -> bool:
    """Is it the ARN of an IAM user?"""
    fields = resource.split(":", 5)
    return len(fields) == 6 and fields[2] == "iam" and fields[5].startswith("user/")


def _refuse_unknown_resource(policy: Policy, statement: Statement) -> None:
    patterns = statement.resources
    if patterns is None and policy.type is not PolicyType.KEY:
        return
    every = any(pattern.fixed is not None and pattern.fixed.everything for pattern in patterns or ())
    if every and not statement.not_resource:
        return
    raise Undecided("the statement depends on the resource, and which one the request names is not known")
