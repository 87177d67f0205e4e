"""Can the caller widen its own access? Checks known ways, and the general question.

Known ways (`escalation_ways`) are combinations of actions, each of which has to be allowed on something on which it
works. The general question is whether an action is allowed that changes a policy that limits the caller itself: its
role, the policies attached to it, its boundary, the policies of its organization and of VPC endpoints, and resource
policies and grants on what it may use.

Both are decided by the exact comparison: the old side allows everything except the dangerous action on its targets, so
what the new side allows beyond that is the danger, with a witness that the evaluator has allowed. If it cannot be
decided, it is reported as a danger, with the reason.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

from grantproof.iam import actions
from grantproof.iam.assumption import in_doubt
from grantproof.iam.comparison.compare import Verdict, compare
from grantproof.iam.comparison.escalation_ways import WAYS
from grantproof.iam.comparison.language import overlap
from grantproof.iam.comparison.witness import DELEGATED
from grantproof.iam.decision import Cited
from grantproof.iam.document import parse as parse_policy
from grantproof.iam.errors import IamError
from grantproof.iam.glob import Glob, Token, Wild
from grantproof.iam.layers import Layers
from grantproof.iam.policy import PolicyType
from grantproof.iam.request import Request

#: Actions that change what limits a caller, by what they act on.
_ROLE = """
iam:PutRolePolicy iam:DeleteRolePolicy iam:AttachRolePolicy iam:DetachRolePolicy iam:UpdateAssumeRolePolicy
iam:PutRolePermissionsBoundary iam:DeleteRolePermissionsBoundary iam:UpdateRole iam:TagRole iam:UntagRole
iam:DeleteRole iam:CreateRole
"""
_USER = """
iam:PutUserPolicy iam:DeleteUserPolicy iam:AttachUserPolicy iam:DetachUserPolicy iam:PutUserPermissionsBoundary
iam:DeleteUserPermissionsBoundary iam:TagUser iam:UntagUser
"""
_GROUP = """
iam:PutGroupPolicy iam:DeleteGroupPolicy iam:AttachGroupPolicy iam:DetachGroupPolicy iam:AddUserToGroup
iam:RemoveUserFromGroup
"""
_POLICY = "iam:CreatePolicyVersion iam:SetDefaultPolicyVersion iam:DeletePolicyVersion iam:DeletePolicy"
#: Actions that change policies of the organization or of VPC endpoints, whatever their ARN.
_ABOVE = """
organizations:AttachPolicy organizations:DetachPolicy organizations:UpdatePolicy organizations:DeletePolicy
organizations:DisablePolicyType organizations:MoveAccount organizations:LeaveOrganization
organizations:RemoveAccountFromOrganization ec2:ModifyVpcEndpoint ec2:DeleteVpcEndpoints
"""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What limits a caller: the ARNs of its role or user, of its groups, and of the managed policies that are attached
    to it or its boundary."""

    role: str = ""
    user: str = ""
    groups: tuple[str, ...] = ()
    policies: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Danger:
    """An action that is allowed and widens access.

    Attributes:
        what: the effect, in words.
        actions: the actions that are needed, in the spelling of AWS.
        source: the source of the known way, in words; empty for a change of what limits the caller itself.
        witness: a request for the first of them that the evaluator allows; None if it could not be decided.
        because: the statements that allow the witness.
        doubt: why it could not be decided; empty if it was.
    """

    what: str
    actions: tuple[str, ...]
    source: str
    witness: Request | None = None
    because: tuple[Cited, ...] = ()
    doubt: str = ""


def dangers(layers: Layers, bounds: Bounds, *, promised: Iterable[str] = ()) -> tuple[Danger, ...]:
    """Every known way and every change of its own bounds that the layers allow. `layers` are the caller's: identity and
    boundary. `promised` are actions that a person has named one by one, with their resources: a way that needs nothing
    else is omitted, and so are they where they manage permissions of resources. A change of the caller's own bounds is
    never omitted."""
    return _dangers(layers, bounds, frozenset(name.lower() for name in promised))


@lru_cache(maxsize=256)
def _dangers(layers: Layers, bounds: Bounds, seen: frozenset[str]) -> tuple[Danger, ...]:
    # Cached, since most mutants do not change most callers' policies.
    reach = _Reach(layers, (bounds.role or bounds.user or _SOMEBODY).split(":")[4])
    out = []
    for way in WAYS:
        if all(action.lower() in seen for action in way.needs):
            continue
        steps = [reach.how_allowed((action,)) for action in way.needs]
        if all(steps):
            out.append(_danger(way.name, way.needs, way.known_from, steps[0]))
    out += [
        _danger(f"changes {what} by which it is bound", (action,), "", reached)
        for what, action, targets in _changes_of(bounds)
        if (reached := reach.how_allowed((action,), targets))
    ]
    managing = tuple(name for name in reach.managing() if name.lower() not in seen)
    if reached := reach.how_allowed(managing):
        # As the example, prefer an action that works on the resources with which it is allowed.
        usable = (reach.how_allowed((name,)) for name in managing if reach.is_usable(name))
        reached = next(filter(None, usable), reached)
        shown = (actions.spelt(reached.witness.action),) if reached.witness else managing[:1]
        out.append(_danger("manages the permissions of what it uses", shown, _MANAGING, reached))
    return tuple(out)


_MANAGING = "access level Permissions management"
#: Actions that only read, though the Service Authorization Reference has some at the level "Permissions management",
#: such as ssm-sap:GetResourcePermission, which ReadOnlyAccess and SecurityAudit allow.
_READS = re.compile(r"[^:]+:(Get|BatchGet|Describe|List|Search|Test|View)[A-Z]")
_SOMEBODY = "arn:aws:iam::123456789012:user/somebody"


def _changes_of(bounds: Bounds) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """What is changed in words, an action that changes it, and the resources on which the action does so."""
    for what, actions_, arns in (
        ("the role", _ROLE, (bounds.role,)),
        ("the user", _USER, (bounds.user,)),
        ("a group", _GROUP, bounds.groups),
        ("a managed policy", _POLICY, bounds.policies),
    ):
        targets = tuple(filter(None, arns))
        if targets:
            yield from ((what, action, targets) for action in actions_.split())
    yield from (("policies above its account", action, ("*",)) for action in _ABOVE.split())


@dataclass(frozen=True, slots=True)
class _Reached:
    """How an action is allowed; the fields are those of `Danger`."""

    witness: Request | None
    because: tuple[Cited, ...]
    doubt: str


def _danger(what: str, needs: tuple[str, ...], source: str, reached: _Reached | None) -> Danger:
    assert reached is not None
    return Danger(what, needs, source, reached.witness, reached.because, reached.doubt)


def _any_of(template: str) -> Glob:
    """The pattern of all ARNs of a template such as `arn:${Partition}:s3:::${BucketName}`."""
    tokens: list[Token] = []
    for number, part in enumerate(re.split(r"\$\{(\w+)\}", template)):
        is_field = part in ("Partition", "Region", "Account")
        tokens.append(part if number % 2 == 0 else Wild.FIELD if is_field else Wild.ANY)
    return Glob(tokens)


class _Reach:
    """What the layers allow, action by action."""

    def __init__(self, layers: Layers, account: str) -> None:
        self._layers = layers
        # Roles are assumed to trust the caller's account, since their trust policies are not compared here.
        trust = {"Effect": "Allow", "Principal": {"AWS": account}, "Action": "sts:AssumeRole"}
        document = {"Version": "2012-10-17", "Statement": [trust]}
        self._trusting = parse_policy(document, PolicyType.TRUST, "any role")
        self._statements = [s for policy in layers.identity for s in policy.statements if s.allow]
        self._known: dict[tuple[tuple[str, ...], tuple[str, ...]], _Reached | None] = {}

    def managing(self) -> list[str]:
        """The known actions of access level "Permissions management" that some Allow statement names and that change
        something; those of IAM are in the tables above, by target."""
        named = {n for s in self._statements for n in actions.covered(map(str, s.actions), others=s.not_action)}
        managing = named & actions.of_level("Permissions management")
        return sorted(name for name in managing if not name.startswith("iam:") and not _READS.match(name))

    def is_usable(self, action: str) -> bool:
        """Does an Allow statement name the action, with a pattern for a resource of a type on which it is
        authorised?"""
        key, kinds = action.lower(), actions.details(action).resource_types
        arns = [_any_of(form.arn) for kind in kinds for form in kind.forms()]
        return any(
            statement.not_resource or not arns or any(overlap(arn, one.fixed) for arn in arns if one.fixed)
            for statement in self._statements
            if any(g.matches(key) for g in statement.actions) != statement.not_action
            for one in statement.resources or ()
        )

    def _is_named(self, action: str) -> bool:
        """Does an Allow statement name the action, on whatever resource?"""
        key = action.lower()
        return any(any(g.matches(key) for g in s.actions) != s.not_action for s in self._statements)

    def how_allowed(self, names: tuple[str, ...], targets: tuple[str, ...] = ("*",)) -> _Reached | None:
        """How one of the actions is allowed on one of the targets (patterns), or None if none is."""
        if not any(self._is_named(name) for name in names):
            return None
        key = (names, targets)
        if key not in self._known:
            self._known[key] = self._ask(names, targets)
        return self._known[key]

    def _ask(self, names: tuple[str, ...], targets: tuple[str, ...]) -> _Reached | None:
        others: list[dict[str, object]] = [{"Effect": "Allow", "NotAction": list(names), "Resource": "*"}]
        if targets != ("*",):
            others.append({"Effect": "Allow", "Action": list(names), "NotResource": list(targets)})
        document = {"Version": "2012-10-17", "Statement": others}
        entered = self._trusting if names == ("sts:AssumeRole",) else None
        harmless = Layers(identity=(parse_policy(document, PolicyType.IDENTITY, "everything else"),), resource=entered)
        try:
            found = compare(harmless, replace(self._layers, resource=entered))
        except IamError as error:
            return _Reached(None, (), str(error))
        if found.new_access:
            first = found.new_access[0]
            # These policies are assumed, so only statements that somebody wrote are cited.
            assumed = {self._trusting.label, DELEGATED}
            written = tuple(cited for cited in first.because if cited.policy not in assumed)
            return _Reached(first.witness, written, "")
        if found.verdict is Verdict.UNDETERMINED:
            return _Reached(None, (), found.reason)
        if found.depends_on:
            return _Reached(None, (), in_doubt(found.depends_on))
        return None
