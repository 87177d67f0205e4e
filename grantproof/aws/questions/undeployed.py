"""What of a grant is not deployed, and on which questions it could bear.

A policy that is in no account could allow what nothing else allows, and deny what something else allows. What it
cannot do is take back an explicit deny.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from grantproof.aws.mocked.deployment import Deployment, NotDeployed
from grantproof.iam import Decision, Outcome, actions


@dataclass(frozen=True)
class Undeployed:
    """The resources of a grant that could not be deployed."""

    resources: tuple[NotDeployed, ...] = ()

    @staticmethod
    def from_deployment(deployment: Deployment) -> Undeployed:
        """The resources of all stacks of a deployment that could not be created."""
        return Undeployed(tuple(missing for stack in deployment.stacks for missing in stack.missing))

    def bearing(self, action: str) -> tuple[NotDeployed, ...]:
        """Those that could change what is said of an action."""
        return tuple(missing for missing in self.resources if _bears(missing, action))

    def unsettles(self, decision: Decision, action: str) -> bool:
        """Could the decision be another if everything were deployed?"""
        return decision.outcome is not Outcome.EXPLICIT_DENY and bool(self.bearing(action))

    def lines(self, action: str) -> Iterator[str]:
        """Each of them, with whether it could bear on the action."""
        bearing = self.bearing(action)
        for missing in self.resources:
            could = "could bear on this" if missing in bearing else "has no bearing on this"
            yield f"  not deployed, {could}: {missing}"


def _bears(missing: NotDeployed, action: str) -> bool:
    """Only what holds no policy, and is of a service that is another one, is left out of account."""
    if missing.policies or missing.type.startswith(("AWS::IAM::", "AWS::CloudFormation::", "Custom::")):
        return True
    service = missing.type.split("::")[1].lower() if missing.type.count("::") == 2 else ""
    # Types are not always called as the service is in actions (OpenSearchService, es): then it cannot be told.
    return service not in actions.services() or service == action.partition(":")[0].lower()


def named(resources: Iterable[NotDeployed]) -> str:
    """By logical id and type."""
    return ", ".join(f"{'/'.join(missing.path)} ({missing.type})" for missing in resources)
