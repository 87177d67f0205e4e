"""The names of services in IAM's actions and of their clients in boto3, where there are several clients or the names
differ.

IAM's name is the signing name of the client; `tests/aws/test_services.py` compares the table with botocore. A client is
left out if most of its operations are no actions of that name, or if another client has the same operations. Services
without a client, such as the billing console, have no calls and are in no table.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from grantproof.aws.isolation import models

#: Clients by the prefix of actions.
CLIENTS: Mapping[str, tuple[str, ...]] = {
    "access-analyzer": ("accessanalyzer",),
    "aco-automation": ("compute-optimizer-automation",),
    "agent-registry": ("agent-registry", "agent-registry-control"),
    "aidevops": ("devops-agent",),
    "airflow": ("mwaa",),
    "airflow-serverless": ("mwaa-serverless",),
    "aoss": ("opensearchserverless",),
    "app-integrations": ("appintegrations",),
    "appconfig": ("appconfig", "appconfigdata"),
    "applicationinsights": ("application-insights",),
    "aps": ("amp",),
    "aws-marketplace": (
        "marketplace-catalog",
        "marketplace-deployment",
        "marketplace-discovery",
        "marketplace-entitlement",
        "marketplace-reporting",
        "meteringmarketplace",
    ),
    "backup-search": ("backupsearch",),
    "bedrock": ("bedrock", "bedrock-data-automation", "bedrock-data-automation-runtime"),
    "cases": ("connectcases",),
    "cassandra": ("keyspacesstreams",),
    "chime": (
        "chime",
        "chime-sdk-identity",
        "chime-sdk-media-pipelines",
        "chime-sdk-meetings",
        "chime-sdk-messaging",
        "chime-sdk-voice",
    ),
    "cleanrooms-ml": ("cleanroomsml",),
    "cloudhsm": ("cloudhsm", "cloudhsmv2"),
    "cloudwatch": ("cloudwatchomni",),
    "codeguru-profiler": ("codeguruprofiler",),
    "connect": ("connect", "connect-contact-lens"),
    "connect-campaigns": ("connectcampaigns", "connectcampaignsv2"),
    "dynamodb": ("dynamodb", "dynamodbstreams"),
    "elasticfilesystem": ("efs",),
    "elasticloadbalancing": ("elb", "elbv2"),
    "elasticmapreduce": ("emr",),
    "end-user-messaging": ("endusermessaging",),
    "es": ("es", "opensearch"),
    "events": ("events", "eventbridgev2"),
    "forecast": ("forecast", "forecastquery"),
    "geo": ("location",),
    "greengrass": ("greengrass", "greengrassv2"),
    "iotmanagedintegrations": ("iot-managed-integrations",),
    "ivs": ("ivs", "ivs-realtime"),
    "kinesisvideo": (
        "kinesisvideo",
        "kinesis-video-archived-media",
        "kinesis-video-media",
        "kinesis-video-signaling",
        "kinesis-video-webrtc-storage",
    ),
    "lambda": ("lambda", "lambda-microvms", "lambda-web"),
    "launchwizard": ("launch-wizard",),
    "lex": ("lex-models", "lex-runtime", "lexv2-models", "lexv2-runtime"),
    "mediastore": ("mediastore", "mediastore-data"),
    "mgh": ("mgh", "migrationhub-config"),
    "migrationhub-orchestrator": ("migrationhuborchestrator",),
    "migrationhub-strategy": ("migrationhubstrategy",),
    "mobiletargeting": ("pinpoint",),
    "notifications-contacts": ("notificationscontacts",),
    "partnercentral": ("partnercentral-revenue-measurement",),
    "payment-cryptography": ("payment-cryptography", "payment-cryptography-data"),
    "personalize": ("personalize", "personalize-events", "personalize-runtime"),
    "pricingplanmanager": ("pricing-plan-manager",),
    "profile": ("customer-profiles",),
    "refactor-spaces": ("migration-hub-refactor-spaces",),
    "resiliencehub": ("resiliencehub", "resiliencehubv2"),
    "s3-outposts": ("s3outposts",),
    "sagemaker": (
        "sagemaker",
        "sagemaker-a2i-runtime",
        "sagemaker-edge",
        "sagemaker-metrics",
        "sagemaker-runtime",
        "sagemakerjobruntime",
        "sagemakertrainingsessionruntime",
    ),
    "scn": ("supplychain",),
    "sdb": ("sdb", "simpledbv2"),
    "servicecatalog": ("servicecatalog", "servicecatalog-appregistry"),
    "servicequotas": ("service-quotas",),
    "ses": ("ses", "mailmanager", "pinpoint-email", "sesv2"),
    "sms-voice": ("sms-voice", "pinpoint-sms-voice-v2"),
    "social-messaging": ("socialmessaging",),
    "sso": ("sso-admin",),
    "states": ("stepfunctions",),
    "supportapp": ("support-app",),
    "thinclient": ("workspaces-thin-client",),
    "timestream": ("timestream-query", "timestream-write"),
    "voiceid": ("voice-id",),
    "wisdom": ("wisdom", "qconnect"),
}
_PREFIXES = {client: prefix for prefix, clients in CLIENTS.items() for client in clients}


def clients_of(prefix: str) -> tuple[str, ...]:
    """The boto3 clients whose calls need actions with this prefix; empty if there is none."""
    if prefix in CLIENTS:
        return CLIENTS[prefix]
    return (prefix,) if prefix in _every() and prefix not in _PREFIXES else ()


def prefix_of(client: str) -> str:
    """The prefix of the actions that a client's calls need."""
    return _PREFIXES.get(client, client)


@cache
def _every() -> frozenset[str]:
    return frozenset(models().list_available_services("service-2"))
