"""What IAM calls a service in its actions, and what boto3 calls the clients of that service, where the two differ.

IAM's name is the signing name of the client: `tests/aws/test_services.py` holds the table to botocore. Services
without a client, such as the billing console's, are in no call and in no table.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from grantproof.aws.isolation import models

#: Clients by the prefix of actions.
CLIENTS: Mapping[str, tuple[str, ...]] = {
    "access-analyzer": ("accessanalyzer",),
    "aco-automation": ("compute-optimizer-automation",),
    "aidevops": ("devops-agent",),
    "airflow": ("mwaa",),
    "airflow-serverless": ("mwaa-serverless",),
    "aoss": ("opensearchserverless",),
    "app-integrations": ("appintegrations",),
    "applicationinsights": ("application-insights",),
    "aps": ("amp",),
    "backup-search": ("backupsearch",),
    "cases": ("connectcases",),
    "cleanrooms-ml": ("cleanroomsml",),
    "codeguru-profiler": ("codeguruprofiler",),
    "connect-campaigns": ("connectcampaigns", "connectcampaignsv2"),
    "elasticfilesystem": ("efs",),
    "elasticloadbalancing": ("elb", "elbv2"),
    "elasticmapreduce": ("emr",),
    "end-user-messaging": ("endusermessaging",),
    "geo": ("location",),
    "iotmanagedintegrations": ("iot-managed-integrations",),
    "launchwizard": ("launch-wizard",),
    "lex": ("lex-models", "lex-runtime", "lexv2-models", "lexv2-runtime"),
    "migrationhub-orchestrator": ("migrationhuborchestrator",),
    "migrationhub-strategy": ("migrationhubstrategy",),
    "mobiletargeting": ("pinpoint",),
    "notifications-contacts": ("notificationscontacts",),
    "partnercentral": ("partnercentral-revenue-measurement",),
    "pricingplanmanager": ("pricing-plan-manager",),
    "profile": ("customer-profiles",),
    "refactor-spaces": ("migration-hub-refactor-spaces",),
    "s3-outposts": ("s3outposts",),
    "scn": ("supplychain",),
    "servicequotas": ("service-quotas",),
    "social-messaging": ("socialmessaging",),
    "states": ("stepfunctions",),
    "supportapp": ("support-app",),
    "thinclient": ("workspaces-thin-client",),
    "timestream": ("timestream-query", "timestream-write"),
    "voiceid": ("voice-id",),
}
_PREFIXES = {client: prefix for prefix, clients in CLIENTS.items() for client in clients}


def clients_of(prefix: str) -> tuple[str, ...]:
    """The boto3 clients whose calls are authorised as actions of this prefix; none where no call is."""
    if prefix in CLIENTS:
        return CLIENTS[prefix]
    return (prefix,) if prefix in _every() else ()


def prefix_of(client: str) -> str:
    """The prefix of the actions as which a client's calls are authorised."""
    return _PREFIXES.get(client, client)


@cache
def _every() -> frozenset[str]:
    return frozenset(models().list_available_services("service-2"))
