"""Types that moto cannot create with all their properties, and that give nobody access.

Each was looked up in the template reference: its resources act only with the permissions of roles and policies that are
verified, and no property names a principal, except those that `held/non_policy_access` and `destinations` know. The
mocked world has stand-ins for these types. Resources of other types that cannot be created are reported one by one.
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-template-resource-type-ref.html
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any

from grantproof.aws.templates.carriers import Location
from grantproof.iam import actions

INERT = frozenset(
    f"AWS::{name}"
    for name in """
    AccessAnalyzer::Analyzer ApiGateway::Account ApiGateway::BasePathMapping ApiGateway::Deployment
    ApiGateway::DocumentationPart ApiGateway::DocumentationVersion ApiGateway::GatewayResponse ApiGateway::Method
    ApiGateway::Model ApiGateway::RequestValidator ApiGateway::Resource ApiGateway::Stage ApiGateway::UsagePlan
    ApiGateway::UsagePlanKey ApiGatewayV2::Deployment
    ApiGatewayV2::DomainName ApiGatewayV2::Model ApiGatewayV2::Stage ApiGatewayV2::VpcLink
    AppConfig::Application AppConfig::ConfigurationProfile AppConfig::DeploymentStrategy
    AppConfig::Environment ApplicationAutoScaling::ScalableTarget ApplicationAutoScaling::ScalingPolicy
    Athena::NamedQuery Athena::WorkGroup AutoScaling::LifecycleHook AutoScaling::ScalingPolicy
    Backup::BackupPlan Backup::BackupSelection Budgets::Budget CE::AnomalyMonitor CE::AnomalySubscription
    CertificateManager::Certificate CloudFront::CachePolicy CloudFront::Function CloudFront::OriginAccessControl
    CloudFront::ResponseHeadersPolicy CloudTrail::Trail CloudWatch::Alarm CloudWatch::AnomalyDetector
    CloudWatch::CompositeAlarm CloudWatch::Dashboard CodeBuild::Project CodeBuild::ReportGroup
    CodeCommit::Repository CodeConnections::Connection CodeDeploy::Application CodeDeploy::DeploymentConfig
    CodeDeploy::DeploymentGroup CodePipeline::Pipeline CodeStarConnections::Connection Cognito::UserPool
    Cognito::UserPoolClient Cognito::UserPoolDomain Cognito::UserPoolGroup Cognito::UserPoolResourceServer
    Config::ConfigRule Config::ConfigurationRecorder Config::DeliveryChannel Config::StoredQuery EC2::DHCPOptions
    EC2::EIPAssociation EC2::EgressOnlyInternetGateway EC2::KeyPair EC2::NetworkAcl EC2::NetworkAclEntry
    EC2::PlacementGroup EC2::SubnetNetworkAclAssociation EC2::VPCCidrBlock EC2::VPCDHCPOptionsAssociation
    EC2::VPCEndpoint ECS::CapacityProvider ECS::ClusterCapacityProviderAssociations ElastiCache::CacheCluster
    ElastiCache::ParameterGroup ElastiCache::ReplicationGroup ElastiCache::SubnetGroup Events::Archive
    Glue::Classifier Glue::Crawler Glue::Database Glue::Job Glue::SecurityConfiguration Glue::Table Glue::Trigger
    Glue::Workflow GuardDuty::Detector Lambda::CodeSigningConfig Lambda::EventInvokeConfig
    Lambda::EventSourceMapping Lambda::LayerVersion
    Logs::LogStream Logs::MetricFilter Logs::QueryDefinition Logs::SubscriptionFilter Pipes::Pipe RDS::DBCluster
    RDS::DBClusterParameterGroup RDS::DBProxy RDS::EventSubscription RDS::OptionGroup ResourceGroups::Group
    SES::ConfigurationSet SES::Template SNS::Subscription SSM::MaintenanceWindow SSM::MaintenanceWindowTarget
    SSM::PatchBaseline Scheduler::Schedule Scheduler::ScheduleGroup SecretsManager::RotationSchedule
    SecretsManager::SecretTargetAttachment SecurityHub::Hub SecurityHub::Standard StepFunctions::Activity
    StepFunctions::StateMachineAlias StepFunctions::StateMachineVersion WAFv2::IPSet WAFv2::RegexPatternSet
    WAFv2::RuleGroup WAFv2::WebACL WAFv2::WebACLAssociation XRay::Group XRay::SamplingRule
    """.split()
)


def name_of(type_: str, properties: Mapping[str, Any]) -> Any:
    """What the properties call a resource; None where they do not."""
    names = ("Name", f"{type_.rsplit('::', 1)[1]}Name")
    return next((text for key, text in properties.items() if key in names), None)


#: Types of which `Ref` gives the ARN.
BY_ARN = frozenset(
    f"AWS::{name}"
    for name in """
    AccessAnalyzer::Analyzer AutoScaling::ScalingPolicy CE::AnomalyMonitor CE::AnomalySubscription
    CertificateManager::Certificate CloudFront::Function CodeBuild::ReportGroup CodeConnections::Connection
    CodeStarConnections::Connection Lambda::CodeSigningConfig Lambda::LayerVersion SNS::Subscription SecurityHub::Hub
    SecurityHub::Standard StepFunctions::Activity StepFunctions::StateMachineAlias StepFunctions::StateMachineVersion
    XRay::Group XRay::SamplingRule
    """.split()
)
#: Services that IAM calls otherwise.
_SERVICES = {
    "AccessAnalyzer": "access-analyzer",
    "ApplicationAutoScaling": "application-autoscaling",
    "CertificateManager": "acm",
    "CodeStarConnections": "codestar-connections",
    "Cognito": "cognito-idp",
    "ResourceGroups": "resource-groups",
    "StepFunctions": "states",
}


def _service_of(type_: str) -> str:
    service = type_.split("::")[1]
    return _SERVICES.get(service, service.lower())


def reference(type_: str, name: str, where: Location) -> str:
    """What `Ref` gives of a resource that is not made and is called so."""
    return name if type_ not in BY_ARN or name.startswith("arn:") else usual_arn(type_, name, where)


def shaped_id(type_: str, path: tuple[str, ...]) -> str | None:
    """An id of the shape that AWS gives resources of a type, always the same for the same path; None where their names
    are free. Parameters of AWS-specific types take nothing of another shape."""
    digits = hashlib.sha256("/".join(path).encode()).hexdigest()
    return f"{_PREFIXES[type_]}-{digits[:17]}" if type_ in _PREFIXES else None


_PREFIXES = {
    "AWS::EC2::Instance": "i",
    "AWS::EC2::SecurityGroup": "sg",
    "AWS::EC2::Subnet": "subnet",
    "AWS::EC2::VPC": "vpc",
    "AWS::EC2::Volume": "vol",
}


def usual_arn(type_: str, physical_id: str, where: Location) -> str:
    """The ARN of a resource of no kind that is known here: as the action list writes those of its kind, where that
    takes nothing but its name."""
    service, kind = _service_of(type_), type_.split("::")[2].lower()
    template = actions.arn_template(service, kind)
    names = [name for name in _VARIABLE.findall(template) if name not in ("Partition", "Region", "Account")]
    if len(names) != 1:
        return plain_arn(service, physical_id, where)
    given = {
        "Partition": where.partition,
        "Region": where.region,
        "Account": where.account,
        names[0]: physical_id,
    }
    return _VARIABLE.sub(lambda match: str(given[match[1]]), template)


def plain_arn(service: str, resource: str, where: Location) -> str:
    """An ARN with region and account."""
    return f"arn:{where.partition}:{service}:{where.region}:{where.account}:{resource}"


def made_up(type_: str, attribute: str, physical_id: str, where: Location) -> str:
    """What `Fn::GetAtt` gives of a resource that is not made: its name, but for ARNs."""
    if not attribute.lower().endswith("arn") or physical_id.startswith("arn:"):
        return physical_id
    if attribute == "Arn":
        return usual_arn(type_, physical_id, where)
    return plain_arn(_service_of(type_), physical_id, where)


_VARIABLE = re.compile(r"\$\{(\w+)\}")
