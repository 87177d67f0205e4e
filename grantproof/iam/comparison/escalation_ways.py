"""Known ways to widen one's own access, each with the actions that it needs.

Sources: S. Gietzen, Rhino Security Labs, "AWS IAM Privilege Escalation - Methods and Mitigation" (parts 1 and 2;
github.com/RhinoSecurityLabs/AWS-IAM-Privilege-Escalation, methods 1 to 28); Bishop Fox, "IAM Vulnerable"
(github.com/BishopFox/iam-vulnerable); Datadog, pathfinding.cloud (github.com/DataDog/pathfinding.cloud); Service
Authorization Reference, access level "Permissions management".
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


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
