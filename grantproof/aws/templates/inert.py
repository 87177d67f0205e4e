"""The resource types that give nobody access, although moto cannot create them with all their properties.

Each was looked up in the template reference: its resources act only with the permissions of roles and policies that are
verified, and no property names a principal, except those that `held/non_policy_access` and `destinations` know. The
mocked world has stand-ins for these types. Resources of other types that cannot be created are reported one by one.
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-template-resource-type-ref.html
"""

from __future__ import annotations

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
    EC2::EIPAssociation EC2::EgressOnlyInternetGateway EC2::FlowLog EC2::KeyPair EC2::NetworkAcl
    EC2::NetworkAclEntry EC2::PlacementGroup EC2::SubnetNetworkAclAssociation EC2::VPCCidrBlock
    EC2::VPCDHCPOptionsAssociation EC2::VPCEndpoint ECS::CapacityProvider ECS::ClusterCapacityProviderAssociations
    ElastiCache::CacheCluster
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
