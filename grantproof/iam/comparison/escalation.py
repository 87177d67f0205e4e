"""Can the caller widen its own access? Checks known ways, and the general question.

Known ways are combinations of actions, each of which has to be allowed on something on which it works. The general
question is whether an action is allowed that changes a policy that limits the caller itself: its role, the policies
attached to it, its boundary, the policies of its organization and of VPC endpoints, and resource policies and grants on
what it may use.

Both are decided by the exact comparison: the old side allows everything except the dangerous action on its targets, so
what the new side allows beyond that is the danger, with a witness that the evaluator has allowed. If it cannot be
decided, it is reported as a danger, with the reason.

Sources: S. Gietzen, Rhino Security Labs, "AWS IAM Privilege Escalation - Methods and Mitigation" (parts 1 and 2;
github.com/RhinoSecurityLabs/AWS-IAM-Privilege-Escalation, methods 1 to 28); Bishop Fox, "IAM Vulnerable"
(github.com/BishopFox/iam-vulnerable); Datadog, pathfinding.cloud (github.com/DataDog/pathfinding.cloud); Service
Authorization Reference, access level "Permissions management".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

from grantproof.iam import actions
from grantproof.iam.assumption import in_doubt
from grantproof.iam.comparison.compare import Verdict, compare
from grantproof.iam.comparison.language import overlap
from grantproof.iam.decision import Cited
from grantproof.iam.document import parse as parse_policy
from grantproof.iam.errors import IamError
from grantproof.iam.glob import Glob, Token, Wild
from grantproof.iam.layers import Layers
from grantproof.iam.policy import PolicyType
from grantproof.iam.request import Request


@dataclass(frozen=True, slots=True)
class Way:
    """A known way to more access: a caller who may do all of `needs` can use it. `source` is R with the number of the
    method of Rhino Security Labs, B with the name of the path of Bishop Fox, P with the service under which
    pathfinding.cloud has it, or S for the Service Authorization Reference."""

    name: str
    needs: tuple[str, ...]
    source: str

    @property
    def known_from(self) -> str:
        """The source in words."""
        of, _, name = self.source.partition(" ")
        return {
            "B": f"a known way: Bishop Fox, {name}",
            "P": f"a known way: pathfinding.cloud, {name}",
            "S": "a known way: Service Authorization Reference",
        }.get(of) or f"a known way: Rhino Security Labs, method {of.removeprefix('R')}"


def _ways() -> Iterator[Way]:
    for line in _TABLE.strip().splitlines():
        name, needs, source = line.split(" | ")
        yield Way(name, tuple("iam:PassRole" if need == "+" else need for need in needs.split()), source)


#: Name, actions (+ stands for iam:PassRole), source.
_TABLE = """
rewrites a policy by a new version | iam:CreatePolicyVersion | R1
turns to another version of a policy | iam:SetDefaultPolicyVersion | R2
starts an instance with another role | + ec2:RunInstances | R3
gives an instance another role | + ec2:AssociateIamInstanceProfile | P ec2
makes an access key of another user | iam:CreateAccessKey | R4
sets another user's first password | iam:CreateLoginProfile | R5
changes another user's password | iam:UpdateLoginProfile | R6
attaches a policy to a user | iam:AttachUserPolicy | R7
attaches a policy to a group | iam:AttachGroupPolicy | R8
attaches a policy to a role | iam:AttachRolePolicy | R9
writes a policy into a user | iam:PutUserPolicy | R10
writes a policy into a group | iam:PutGroupPolicy | R11
writes a policy into a role | iam:PutRolePolicy | R12
joins a group | iam:AddUserToGroup | R13
lets itself into another role | iam:UpdateAssumeRolePolicy | R14
runs a function under another role | + lambda:CreateFunction lambda:InvokeFunction | R15
lets a stranger run a function under another role | + lambda:CreateFunction lambda:AddPermission | R16
has a function under another role triggered | + lambda:CreateFunction lambda:CreateEventSourceMapping | R17
opens a function under another role to a URL | + lambda:CreateFunction lambda:CreateFunctionUrlConfig | P lambda
changes the code of a function | lambda:UpdateFunctionCode | R18
changes the layers of a function | lambda:UpdateFunctionConfiguration | R26
starts a Glue endpoint under another role | + glue:CreateDevEndpoint | R19
enters a Glue endpoint | glue:UpdateDevEndpoint | R20
runs a Glue job under another role | + glue:CreateJob glue:StartJobRun | P glue
has a Glue job under another role triggered | + glue:CreateJob glue:CreateTrigger | P glue
changes a Glue job | + glue:UpdateJob | P glue
starts a Glue session under another role | + glue:CreateSession | P glue
creates a stack under another role | + cloudformation:CreateStack | R21
changes a stack | cloudformation:UpdateStack | B CloudFormation-UpdateStack
changes a stack through a change set | cloudformation:CreateChangeSet cloudformation:ExecuteChangeSet | P cloudformation
creates stacks elsewhere | + cloudformation:CreateStackSet cloudformation:CreateStackInstances | P cloudformation
changes stacks elsewhere | cloudformation:UpdateStackSet | P cloudformation
runs a pipeline under another role | + datapipeline:CreatePipeline datapipeline:PutPipelineDefinition | R22
makes a project from a template | codestar:CreateProjectFromTemplate | R23
makes a project under another role | + codestar:CreateProject | R24
makes a project and joins it | codestar:CreateProject codestar:AssociateTeamMember | R25
opens a new notebook | + sagemaker:CreateNotebookInstance sagemaker:CreatePresignedNotebookInstanceUrl | R27
opens a notebook | sagemaker:CreatePresignedNotebookInstanceUrl | R28
changes how a notebook starts | sagemaker:UpdateNotebookInstanceLifecycleConfig | P sagemaker
opens a studio | sagemaker:CreatePresignedDomainUrl | P sagemaker
trains a model under another role | + sagemaker:CreateTrainingJob | B SageMaker-CreateTrainingJobPassRole
processes data under another role | + sagemaker:CreateProcessingJob | B SageMaker-CreateProcessingJobPassRole
builds under another role | + codebuild:CreateProject codebuild:StartBuild | B CodeBuild-CreateProjectPassRole
builds something else in a project | codebuild:StartBuild | P codebuild
builds something else in a project, in parts | codebuild:StartBuildBatch | P codebuild
changes what a project builds | codebuild:UpdateProject | P codebuild
sends a command to an instance | ssm:SendCommand | B SSM-SendCommand
opens a session on an instance | ssm:StartSession | B SSM-StartSession
runs an automation under another role | + ssm:StartAutomationExecution | P ssm
has a command run on instances | ssm:CreateAssociation | P ssm
opens a shell on an instance with a key | ec2-instance-connect:SendSSHPublicKey | B EC2InstanceConnect-SendSSHPublicKey
opens a serial console on an instance | ec2-instance-connect:SendSerialConsoleSSHPublicKey | P ec2
changes what an instance runs when it starts | ec2:ModifyInstanceAttribute | P ec2
starts instances from a changed launch template | ec2:CreateLaunchTemplateVersion ec2:ModifyLaunchTemplate | P ec2
requests instances with another role | + ec2:RequestSpotInstances | P ec2
scales instances with another role | + autoscaling:CreateLaunchConfiguration autoscaling:CreateAutoScalingGroup | P ec2
runs a task under another role | + ecs:RunTask | P ecs
starts a task under another role | + ecs:StartTask | P ecs
keeps a task running under another role | + ecs:RegisterTaskDefinition ecs:CreateService | P ecs
changes a service to another task | + ecs:RegisterTaskDefinition ecs:UpdateService | P ecs
opens a shell in a task | ecs:ExecuteCommand | P ecs
runs a batch job under another role | + batch:RegisterJobDefinition batch:SubmitJob | P batch
runs something else in a batch job | batch:SubmitJob | P batch
runs a service under another role | + apprunner:CreateService | P apprunner
changes a service that has a role | apprunner:UpdateService | P apprunner
starts a cluster under another role | + elasticmapreduce:RunJobFlow | P emr
adds a step to a cluster | elasticmapreduce:AddJobFlowSteps | P emr
runs a serverless job | + emr-serverless:CreateApplication emr-serverless:StartJobRun | P emrserverless
starts game servers under another role | + gamelift:CreateBuild gamelift:CreateFleet | P gamelift
starts an interpreter | + bedrock-agentcore:CreateCodeInterpreter bedrock-agentcore:InvokeCodeInterpreter | P bedrock
enters an interpreter | bedrock-agentcore:InvokeCodeInterpreter | P bedrock
runs commands beside an agent | bedrock-agentcore:InvokeAgentRuntimeCommand | P bedrock
drives a browser that has a role | bedrock-agentcore:ConnectBrowserAutomationStream | P bedrock
builds an app under another role | + amplify:CreateApp amplify:StartJob | P amplify
builds an image under another role | + imagebuilder:CreateInfrastructureConfiguration | P imagebuilder
runs an application under another role | + kinesisanalytics:CreateApplication | P kinesisanalytics
runs a workflow under another role | + omics:StartRun | P omics
runs a quantum job under another role | + braket:CreateJob | P braket
deploys code to instances | codedeploy:CreateDeployment | P codedeploy
gives an identity pool another role | + cognito-identity:SetIdentityPoolRoles | P cognitoidentity
runs a state machine under another role | + states:CreateStateMachine states:StartExecution | P stepfunctions
changes what a state machine does | states:UpdateStateMachine | P stepfunctions
tests a state under another role | + states:TestState | S
has a scheduled target called under another role | + scheduler:CreateSchedule | P scheduler
has events call a target under another role | + events:PutRule events:PutTargets | P events
trusts an identity provider of its own | iam:UpdateOpenIDConnectProviderThumbprint | S
changes an identity provider's metadata | iam:UpdateSAMLProvider | S
makes a credential of another user for a service | iam:CreateServiceSpecificCredential | P iam
resets a credential of another user for a service | iam:ResetServiceSpecificCredential | P iam
takes another user's multi-factor device | iam:DeactivateMFADevice | S
uploads a signing certificate for another user | iam:UploadSigningCertificate | S
assigns a permission set | sso:CreateAccountAssignment | S
writes a policy into a permission set | sso:PutInlinePolicyToPermissionSet | S
attaches a policy to a permission set | sso:AttachManagedPolicyToPermissionSet | S
enters another role | sts:AssumeRole | B privesc-AssumeRole
takes a root user's session in a member account | sts:AssumeRoot | S
"""

#: Every known way.
WAYS: tuple[Way, ...] = tuple(_ways())

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
        steps = [reach.of((action,)) for action in way.needs]
        if all(steps):
            out.append(_danger(way.name, way.needs, way.known_from, steps[0]))
    out += [
        _danger(f"changes {what} by which it is bound", (action,), "", reached)
        for what, action, targets in _own(bounds)
        if (reached := reach.of((action,), targets))
    ]
    managing = tuple(name for name in reach.managing() if name.lower() not in seen)
    if reached := reach.of(managing):
        # Of what is allowed by its name, what does something on these resources shows more.
        reached = next(filter(None, (reach.of((name,)) for name in managing if reach.is_usable(name))), reached)
        shown = (actions.spelt(reached.witness.action),) if reached.witness else managing[:1]
        out.append(_danger("manages the permissions of what it uses", shown, _MANAGING, reached))
    return tuple(out)


_MANAGING = "access level Permissions management"
#: Operations that the Service Authorization Reference puts at the level "Permissions management", and that show
#: something: ReadOnlyAccess and SecurityAudit have some (ssm-sap:GetResourcePermission).
_READS = re.compile(r"[^:]+:(Get|BatchGet|Describe|List|Search|Test|View)[A-Z]")
_SOMEBODY = "arn:aws:iam::123456789012:user/somebody"


def _own(bounds: Bounds) -> Iterator[tuple[str, str, tuple[str, ...]]]:
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
        place = part in ("Partition", "Region", "Account")
        tokens.append(part if number % 2 == 0 else Wild.FIELD if place else Wild.ANY)
    return Glob(tokens)


class _Reach:
    """What the layers allow, action by action."""

    def __init__(self, layers: Layers, account: str) -> None:
        self._layers = layers
        # Roles are assumed to trust the caller's account, since their trust policies are not compared here.
        trust = {"Effect": "Allow", "Principal": {"AWS": account}, "Action": "sts:AssumeRole"}
        document = {"Version": "2012-10-17", "Statement": [trust]}
        self._entered = parse_policy(document, PolicyType.TRUST, "any role")
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

    def _named(self, action: str) -> bool:
        key = action.lower()
        return any(any(g.matches(key) for g in s.actions) != s.not_action for s in self._statements)

    def of(self, names: tuple[str, ...], targets: tuple[str, ...] = ("*",)) -> _Reached | None:
        """How one of the actions is allowed on one of the targets (patterns), or None if none is."""
        if not any(self._named(name) for name in names):
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
        entered = self._entered if names == ("sts:AssumeRole",) else None
        harmless = Layers(identity=(parse_policy(document, PolicyType.IDENTITY, "everything else"),), resource=entered)
        try:
            found = compare(harmless, replace(self._layers, resource=entered))
        except IamError as error:
            return _Reached(None, (), str(error))
        if found.new_access:
            first = found.new_access[0]
            # The trust is nobody's text: what is told is the statement that somebody wrote.
            written = tuple(cited for cited in first.because if cited.policy != self._entered.label)
            return _Reached(first.witness, written, "")
        if found.verdict is Verdict.UNDETERMINED:
            return _Reached(None, (), found.reason)
        if found.depends_on:
            return _Reached(None, (), in_doubt(found.depends_on))
        return None
