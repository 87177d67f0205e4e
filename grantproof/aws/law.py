"""The law, applied to real boto3 calls."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from grantproof.aws import operations, refusals
from grantproof.aws.identity import Identity
from grantproof.aws.operations import Authorisation, Where, authorisations
from grantproof.aws.policies import Policies
from grantproof.aws.world import Call, Refusal, World
from grantproof.iam import LawError, Request, evaluate, parse_principal, refusal_message

#: An address of the range for documentation, and what boto3 says of itself.
_SOURCE_ADDRESS = "203.0.113.10"
_CHAINED_MOST = timedelta(hours=1)


class NotJudged(Exception):
    """A call of which the law cannot say whether it is allowed. Never an answer: the test that made the call fails."""


class Law:
    """Judges the calls of a world's sessions. `policies` gives the policies now in force (rule E32)."""

    def __init__(self, world: World, policies: Callable[[], Policies]) -> None:
        self._world, self._policies = world, policies

    def __call__(self, call: Call) -> Refusal | None:
        """How the service refuses the call, or None when it is allowed.

        Raises:
            NotJudged: it cannot be said.
        """
        protocol = str(call.operation.service_model.metadata.get("protocol", ""))
        now = self._world.now()
        if call.identity.expires is not None and now >= call.identity.expires:
            return Refusal(*refusals.expired(call.service, protocol), refusals.EXPIRED_MESSAGE)
        where = Where(self._world.partition, call.identity.account, call.region)
        try:
            asked = authorisations(call.service, call.operation.name, call.params, where)
            for authorisation in asked:
                if message := self._refused(call, authorisation):
                    return Refusal(*refusals.not_authorised(call.service, protocol), message)
        except (LawError, operations.UnmappedOperation) as error:
            raise NotJudged(f"{call.service} {call.operation.name} by {call.identity.arn}: {error}") from error
        return self._barred_by_sts(call)

    def _refused(self, call: Call, asked: Authorisation) -> str:
        request = self.request(call.identity, asked, call.region)
        layers = self._policies().layers(request, call.identity.session_policies)
        decision = evaluate(request, layers)
        if decision.depends_on:
            points = ", ".join(decision.depends_on)
            raise NotJudged(f"{asked.action} on {asked.resource}: the decision depends on open points: {points}")
        return "" if decision.allowed else refusal_message(request, decision)

    def request(self, identity: Identity, asked: Authorisation, region: str) -> Request:
        """The request that AWS would judge, with the condition keys that AWS would supply (rules C45 to C75)."""
        now = self._world.now()
        account = asked.resource_account
        if account is None and asked.resource is not None:
            account = self._policies().owner(asked.resource)
        context = {
            "aws:CurrentTime": (now.strftime("%Y-%m-%dT%H:%M:%SZ"),),
            "aws:EpochTime": (str(int(now.timestamp())),),
            # Rule C71: IAM is in one place.
            "aws:RequestedRegion": ("us-east-1" if asked.action.startswith("iam:") else region,),
            "aws:SecureTransport": ("true",),
            "aws:SourceIp": (_SOURCE_ADDRESS,),
            "aws:UserAgent": ("Boto3",),
            "aws:ViaAWSService": ("false",),
            **identity.context(),
            **asked.context,
        }
        principal = parse_principal(identity.arn, identity.issuer or None)
        return Request(principal, asked.action, asked.resource, account, context)

    def _barred_by_sts(self, call: Call) -> Refusal | None:
        """Durations that STS refuses of callers who may assume the role (rules T10, T11)."""
        if (call.service, call.operation.name) != ("sts", "AssumeRole"):
            return None
        seconds = call.params.get("DurationSeconds")
        if seconds is None:
            return None
        role = self._policies().held.get(call.params["RoleArn"])
        if call.identity.kind == "role session" and timedelta(seconds=seconds) > _CHAINED_MOST:
            text = "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining."
        elif role is not None and seconds > role.max_session:
            text = "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
        else:
            return None
        return Refusal(400, "ValidationError", text)
