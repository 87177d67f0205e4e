"""Takes the export of a real account through boto3, read-only: the documents that `export_parts` joins, or one error.

`CALLS` lists every call, and `templates/snapshot-reader` allows exactly these; a test compares the two.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, NoCredentialsError, PartialCredentialsError

from grantproof.aws.held.snapshot import RESOURCE_POLICIES
from grantproof.contract import Contract, Stack

Document = dict[str, Any]
#: Called with a line of text on what is being read.
Progress = Callable[[str], None]

#: The IAM action of each call that a snapshot needs. GetCallerIdentity needs no permission (rule T26).
CALLS: Mapping[tuple[str, str], str] = {
    ("iam", "GetAccountAuthorizationDetails"): "iam:GetAccountAuthorizationDetails",
    ("iam", "ListRoles"): "iam:ListRoles",
    ("cloudformation", "DescribeStacks"): "cloudformation:DescribeStacks",
    ("cloudformation", "ListStackResources"): "cloudformation:ListStackResources",
    ("s3", "ListBuckets"): "s3:ListAllMyBuckets",
    ("s3", "GetBucketPolicy"): "s3:GetBucketPolicy",
    ("kms", "ListKeys"): "kms:ListKeys",
    ("kms", "GetKeyPolicy"): "kms:GetKeyPolicy",
    ("sqs", "ListQueues"): "sqs:ListQueues",
    ("sqs", "GetQueueAttributes"): "sqs:GetQueueAttributes",
    ("sns", "ListTopics"): "sns:ListTopics",
    ("sns", "GetTopicAttributes"): "sns:GetTopicAttributes",
    ("lambda", "ListFunctions"): "lambda:ListFunctions",
    ("lambda", "GetPolicy"): "lambda:GetPolicy",
    ("secretsmanager", "ListSecrets"): "secretsmanager:ListSecrets",
    ("secretsmanager", "GetResourcePolicy"): "secretsmanager:GetResourcePolicy",
    ("ecr", "DescribeRepositories"): "ecr:DescribeRepositories",
    ("ecr", "GetRepositoryPolicy"): "ecr:GetRepositoryPolicy",
}

#: botocore's standard mode waits between tries: exponential backoff with jitter, at most 20 seconds.
PATIENT = Config(retries={"mode": "standard", "total_max_attempts": 8}, connect_timeout=10, read_timeout=60)


class SnapshotFailed(Exception):
    """A complete snapshot could not be taken; names the call that failed, the reason and the next step."""


@dataclass(frozen=True)
class Source:
    """An account to read: the session, its name in messages, and the contract's alias and number of the account."""

    session: boto3.Session
    name: str
    alias: str
    account: str
    region: str


def sources(contracts: Iterable[Contract], profiles: Mapping[str, str]) -> tuple[Source, ...]:
    """The account of each alias, read with a profile of the user's AWS configuration.

    Raises:
        SnapshotFailed: a profile does not exist, no contract has such an account, or contracts differ about it.
    """
    found = list(contracts)
    return tuple(_source(found, alias, profile) for alias, profile in profiles.items())


def _source(contracts: list[Contract], alias: str, profile: str) -> Source:
    meant = {(c.accounts[alias], c.region) for c in contracts if alias in c.accounts}
    if not meant:
        known = ", ".join(sorted({name for c in contracts for name in c.accounts}))
        raise SnapshotFailed(f"no contract has an account {alias!r}. Accounts: {known}.")
    if len(meant) > 1:
        raise SnapshotFailed(f"the contracts mean different accounts or regions by {alias!r}. Verify them one by one.")
    ((account, region),) = meant
    try:
        session = boto3.Session(profile_name=profile, region_name=region)
    except BotoCoreError as error:
        known = ", ".join(boto3.Session().available_profiles) or "none; run `aws configure`"
        raise SnapshotFailed(f"{alias}: {str(error).rstrip('.')}. Known profiles: {known}.") from None
    return Source(session, f"profile {profile}", alias, account, region)


def take(
    source: Source,
    stacks: Iterable[Stack],
    services: Iterable[str] = tuple(RESOURCE_POLICIES),
    config: Config = PATIENT,
    progress: Progress = lambda text: None,
) -> list[Document]:
    """The documents of one account. `stacks` are the contracts' stacks in it; `services` those whose resource policies
    are read, in the source's region.

    Raises:
        SnapshotFailed: a call failed; there is no partial result.
    """
    reader, events = _Reader(source, config, progress), source.session.events
    events.register_first("before-parameter-build", reader.remember)
    try:
        return list(reader.documents(tuple(stacks), tuple(services)))
    except (BotoCoreError, ClientError, HTTPClientError) as error:
        raise SnapshotFailed(reader.why(error)) from error
    finally:
        events.unregister("before-parameter-build", reader.remember)


def identity(source: Source, config: Config = PATIENT) -> str:
    """The ARN of the identity of a profile, from GetCallerIdentity, which needs no permission (rule T26).

    Raises:
        SnapshotFailed: the call failed, or the identity is of another account than the contract's.
    """
    reader = _Reader(source, config, lambda text: None)
    try:
        return reader.identity()
    except (BotoCoreError, ClientError, HTTPClientError) as error:
        raise SnapshotFailed(reader.why(error)) from error


def known_services(names: str | None) -> tuple[str, ...]:
    """The services of a comma-separated list; all of them for None.

    Raises:
        SnapshotFailed: a service is not known.
    """
    if names is None:
        return tuple(RESOURCE_POLICIES)
    given = tuple(dict.fromkeys(name.strip() for name in names.split(",") if name.strip()))
    for name in given:
        if name not in RESOURCE_POLICIES:
            raise SnapshotFailed(f"no resource policies are known of {name!r}. Known: {', '.join(RESOURCE_POLICIES)}.")
    return given


def stacks_in(contracts: Iterable[Contract], alias: str) -> tuple[Stack, ...]:
    """The stacks that contracts have in an account."""
    return tuple(stack for contract in contracts for stack in contract.stacks if stack.account == alias)


def write(documents: Iterable[Document], path: Path) -> None:
    """Write an export that `export.read_export` reads. Atomic: the file appears complete or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.part")
    beside.write_text("".join(f"{json.dumps(document)}\n" for document in documents), encoding="utf-8")
    beside.replace(path)


class _Reader:
    """Reads one account, and records the last call for error messages."""

    def __init__(self, source: Source, config: Config, progress: Progress) -> None:
        self._source, self._config, self._progress = source, config, progress
        self._last = ("sts", "GetCallerIdentity")

    def remember(self, model: Any, **_: Any) -> None:
        """Record the call that is being made; a botocore event handler."""
        self._last = (model.service_model.service_name, model.name)

    def _client(self, service: str) -> Any:
        return self._source.session.client(service, region_name=self._source.region, config=self._config)

    def identity(self) -> str:
        """The ARN of the source's identity."""
        found, wanted = self._client("sts").get_caller_identity(), self._source.account
        if found["Account"] != wanted:
            raise SnapshotFailed(
                f"{self._source.name} is of account {found['Account']}; the contract says that "
                f"{self._source.alias!r} is {wanted}. Name a profile of that account."
            )
        return str(found["Arn"])

    def documents(self, stacks: tuple[Stack, ...], services: tuple[str, ...]) -> Iterator[Document]:
        """Every document. The cheapest calls come first, so that a wrong profile fails at once."""
        self.identity()
        yield {"Account": self._source.account}
        for stack in stacks:
            yield from self._stack(stack.name)
        yield from self._pages("iam", "get_account_authorization_details")
        yield from self._pages("iam", "list_roles")
        for service in services:
            yield {"Services": [service], "ResourcePolicies": self._resource_policies(service)}

    def _pages(self, service: str, operation: str, **arguments: Any) -> Iterator[Document]:
        read = 0
        for page in self._client(service).get_paginator(operation).paginate(**arguments):
            page.pop("ResponseMetadata", None)
            read += sum(len(part) for part in page.values() if isinstance(part, list))
            self._progress(f"{self._source.alias}: {operation.replace('_', '-')}, {read:,} read")
            yield _plain(page)

    def _stack(self, name: str) -> Iterator[Document]:
        try:
            found = self._client("cloudformation").describe_stacks(StackName=name)["Stacks"]
        except ClientError as error:
            if error.response["Error"]["Code"] == "ValidationError":
                return  # no such stack: the comparison with the contract reports it, with the names that exist
            raise
        yield {"Stacks": _plain(found)}
        for stack in found:
            yield from self._resources(stack["StackId"])

    def _resources(self, stack: str) -> Iterator[Document]:
        """The resources of a stack and its nested stacks, as DescribeStackResources gives them, which returns at most
        100."""
        pages = list(self._pages("cloudformation", "list_stack_resources", StackName=stack))
        own = [resource for page in pages for resource in page["StackResourceSummaries"]]
        yield {"StackResources": [{**resource, "StackId": stack} for resource in own], "IsTruncated": False}
        for resource in own:
            if resource["ResourceType"] == "AWS::CloudFormation::Stack" and resource.get("PhysicalResourceId"):
                yield from self._resources(resource["PhysicalResourceId"])

    def _resource_policies(self, service: str) -> list[Document]:
        out = []
        for arn, type_, document in RESOURCE_POLICIES[service](self._client(service)):
            out.append({"Arn": arn, "Type": type_, "Account": self._source.account, "Policy": document})
            self._progress(f"{self._source.alias}: policies of {service}, {len(out):,} read")
        return out

    def why(self, error: Exception) -> str:
        """The message for a failed call: what failed, why, and what to do."""
        call = f"{self._source.alias}: {':'.join(self._last)} with {self._source.name}"
        if isinstance(error, NoCredentialsError | PartialCredentialsError):
            return f"{self._source.alias}: {self._source.name} has no credentials. Run `aws configure` or log in."
        if not isinstance(error, ClientError):
            return f"{call} got no answer: {error} No snapshot was taken."
        code, message = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
        if code in EXPIRED:
            return f"{call}: the credentials have expired or are not known ({code}). Log in again."
        if code in _DENIED:
            action = CALLS.get(self._last, ":".join(self._last))
            return (
                f"{call} was denied: {message or code} The permission {action} is missing; "
                "templates/snapshot-reader has all that are needed."
            )
        if code in _THROTTLED:
            return f"{call} was throttled ({code}) after {_tries(error)} tries. Nothing was taken; try again later."
        return f"{call} failed: {code} {message}"


#: Error codes for invalid or expired credentials, which say nothing about permissions.
EXPIRED = frozenset(
    "ExpiredToken ExpiredTokenException RequestExpired InvalidClientTokenId UnrecognizedClientException "
    "InvalidAccessKeyId TokenRefreshRequired InvalidToken".split()
)
_DENIED = frozenset(
    "AccessDenied AccessDeniedException UnauthorizedOperation AuthorizationError AuthorizationErrorException "
    "KMSAccessDeniedException AllAccessDisabled Forbidden 403".split()
)
_THROTTLED = frozenset(
    "Throttling ThrottlingException ThrottledException RequestThrottled RequestThrottledException SlowDown "
    "TooManyRequestsException RequestLimitExceeded BandwidthLimitExceeded PriorRequestNotComplete".split()
)


def _tries(error: ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("RetryAttempts", 0)) + 1


def _plain(value: Any) -> Any:
    """A response as JSON-serialisable data, as the AWS CLI prints it."""
    return json.loads(json.dumps(value, default=str))
