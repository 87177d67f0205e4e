"""Builds and pipelines that anybody can start with code of their own, by a pull request.

Such code runs with the role of the project or pipeline.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from grantproof.aws.templates.external_principals import is_function
from grantproof.source import at


def starts_for_anybody(triggers: Any) -> str:
    """The trigger by which a pull request starts a pipeline, whose actions then use its code and the roles of the
    pipeline; empty if there is none. A pipeline does not require an approval for pull requests.
    https://docs.aws.amazon.com/codepipeline/latest/userguide/pipelines-filter.html
    """
    for number, trigger in enumerate(triggers if isinstance(triggers, list) else [triggers] if triggers else ()):
        if not isinstance(trigger, Mapping) or is_function(trigger):
            return f"Triggers: {trigger}"
        git = trigger.get("GitConfiguration")
        if is_function(git) or at(git, ("PullRequest",)):
            return f"Triggers.{number}.GitConfiguration.PullRequest"
    return ""


def builds_for_anybody(triggers: Any) -> str:
    """The setting by which the code of any pull request is built with the role of the project; empty if builds need an
    approval, or only pushes are built. The default of a webhook without the setting is not documented, and counts as
    building; so does a runner, since GitHub also queues jobs of pull requests and the project requires no approval.
    https://docs.aws.amazon.com/codebuild/latest/userguide/pull-request-build-policy.html and
    https://docs.aws.amazon.com/codebuild/latest/userguide/action-runner-overview.html
    """
    if not isinstance(triggers, Mapping) or is_function(triggers):
        return f"Triggers: {triggers}" if triggers else ""
    policy = triggers.get("PullRequestBuildPolicy")
    approval, events = at(policy, ("RequiresCommentApproval",)), _events(triggers.get("FilterGroups"))
    if (events and events <= _PUSHES) or (approval is None and not _is_on(triggers.get("Webhook"))):
        return ""
    if "WORKFLOW_JOB_QUEUED" in events:
        return "Triggers.FilterGroups: WORKFLOW_JOB_QUEUED"
    if str(approval) not in _APPROVED:
        return f"Triggers.PullRequestBuildPolicy.RequiresCommentApproval: {approval}"
    roles = at(policy, ("ApproverRoles",)) or []
    anybody = [role for role in roles if str(role) not in _APPROVERS] if isinstance(roles, list) else [roles]
    return f"Triggers.PullRequestBuildPolicy.ApproverRoles: {anybody[0]}" if anybody else ""


def _events(groups: Any) -> frozenset[str]:
    """The events that start a build, by the filters of a webhook; `any` for those of a group without a known filter of
    events. All filters of a group have to match."""
    found: set[str] = set()
    for group in groups if isinstance(groups, list) else ():
        patterns = [
            f.get("Pattern")
            for f in (group if isinstance(group, list) else ())
            if isinstance(f, Mapping) and f.get("Type") == "EVENT" and not _is_on(f.get("ExcludeMatchedPattern"))
        ]
        told = patterns and isinstance(patterns[0], str)
        found |= {event.strip() for event in str(patterns[0]).split(",")} if told else {"any"}
    return frozenset(found)


#: Events that need permission to write to the repository.
_PUSHES = frozenset({"PUSH", "RELEASED", "PRERELEASED"})
_APPROVED = frozenset({"ALL_PULL_REQUESTS", "FORK_PULL_REQUESTS"})
#: Roles that are given to people. Everybody has the role of reading a public repository.
#: https://docs.aws.amazon.com/codebuild/latest/APIReference/API_PullRequestBuildPolicy.html
_APPROVERS = frozenset(
    """
    BITBUCKET_ADMIN BITBUCKET_WRITE GITHUB_ADMIN GITHUB_MAINTAIN GITHUB_TRIAGE GITHUB_WRITE GITLAB_DEVELOPER
    GITLAB_MAINTAINER GITLAB_OWNER GITLAB_PLANNER GITLAB_REPORTER
    """.split()
)


def _is_on(value: Any) -> bool:
    """Is a setting on, or not known to be off?"""
    return value is not None and str(value).lower() != "false"
