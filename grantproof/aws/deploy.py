"""Deploying a grant into its world, through the mocked CloudFormation."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from grantproof.aws import parameters
from grantproof.aws.iam_resources import UnsupportedResource
from grantproof.aws.world import World
from grantproof.contract import Contract, Facts, Stack, facts_of, resolve
from grantproof.source import Document, read, shown


class DeploymentFailed(Exception):
    """A stack that could not be deployed: which template, which resource, why."""


@dataclass(frozen=True)
class Resource:
    """A deployed resource. `path` are logical ids through nested stacks; `template` is None for a template that is no
    file of the grant."""

    path: tuple[str, ...]
    type: str
    physical_id: str
    account: str
    template: Path | None


@dataclass(frozen=True)
class DeployedStack:
    """A deployed stack, with the resources of its nested stacks."""

    alias: str
    account: str
    name: str
    template: Path
    parameters: Mapping[str, str]
    outputs: Mapping[str, str]
    resources: tuple[Resource, ...]


@dataclass(frozen=True)
class Deployment:
    """Every stack of a grant, deployed. `facts` fill the references of its contract."""

    stacks: tuple[DeployedStack, ...]
    facts: Facts


def deploy(world: World, contract: Contract) -> Deployment:
    """Upload what templates fetch, and create the stacks in their order.

    Raises:
        DeploymentFailed: names template, resource and reason.
    """
    facts = facts_of(contract)
    for upload in contract.uploads:
        _upload(world, contract, upload.account, upload.bucket, upload.prefix, upload.files)
    stacks: list[DeployedStack] = []
    for stack in contract.stacks:
        deployed = _create(world, contract, stack, resolve(stack.parameters, facts))
        stacks.append(deployed)
        facts = facts.with_values({f"stacks.{stack.alias}.outputs.{k}": v for k, v in deployed.outputs.items()})
    return Deployment(tuple(stacks), facts)


def delete(world: World, contract: Contract, deployment: Deployment) -> None:
    """Delete the stacks, last first, and the uploads."""
    for stack in reversed(deployment.stacks):
        cloudformation(world, stack.account).delete_stack(StackName=stack.name)
    for upload in contract.uploads:
        s3 = world.client(world.root(upload.account), "s3")
        for entry in s3.list_objects_v2(Bucket=upload.bucket).get("Contents", ()):
            s3.delete_object(Bucket=upload.bucket, Key=entry["Key"])
        s3.delete_bucket(Bucket=upload.bucket)


def redeploy(world: World, contract: Contract, deployment: Deployment) -> None:
    """Update every stack with the template and parameters that it has."""
    for stack in deployment.stacks:
        try:
            cloudformation(world, stack.account).update_stack(
                StackName=stack.name,
                TemplateBody=body(read(stack.template)),
                Parameters=_pairs(stack.parameters),
                Capabilities=_CAPABILITIES,
            )
        except ClientError as error:
            # CloudFormation's answer to an update that changes nothing is an error.
            if "No updates are to be performed" not in str(error):
                raise


def cloudformation(world: World, account: str) -> Any:
    """The CloudFormation client that deploys in an account."""
    return world.client(world.root(account), "cloudformation")


_CAPABILITIES = ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"]


def body(document: Document) -> str:
    """A template as it is handed to moto: the same data as JSON. moto reads YAML with a loader that builds arbitrary
    Python objects from tags, so a hostile template must not reach it as text."""
    return json.dumps(document.value)


def _upload(world: World, contract: Contract, account: str, bucket: str, prefix: str, files: tuple[Path, ...]) -> None:
    s3 = world.client(world.root(account), "s3")
    where = {} if world.region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": world.region}}
    s3.create_bucket(Bucket=bucket, **where)
    for file in files:
        key = "/".join(filter(None, (prefix, file.relative_to(contract.path.parent).as_posix())))
        content = body(read(file)) if file in contract.templates else file.read_bytes()
        s3.put_object(Bucket=bucket, Key=key, Body=content)


def _create(world: World, contract: Contract, stack: Stack, given: Mapping[str, str]) -> DeployedStack:
    document = read(stack.template)
    client = cloudformation(world, stack.account)
    try:
        number = world.number(stack.account)
        pseudo = parameters.pseudo_parameters(number, world.region, stack.name)
        parameters.check(document.value, given, pseudo)
        client.create_stack(
            StackName=stack.name,
            TemplateBody=body(document),
            Parameters=_pairs(given),
            Capabilities=_CAPABILITIES,
        )
    except parameters.RefusedParameters as error:
        raise DeploymentFailed(f"{stack.place}: stack {stack.alias!r}: {error}.") from None
    except UnsupportedResource as error:
        raise DeploymentFailed(
            f"{shown(stack.template)}: stack {stack.alias!r}: the mocked CloudFormation cannot create {error}."
        ) from None
    except ClientError as error:
        text = error.response["Error"]["Message"]
        raise DeploymentFailed(f"{shown(stack.template)}: stack {stack.alias!r}: {text}") from None
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        # moto meets a template that it cannot read with whatever its own code runs into.
        kind = type(error).__name__
        raise DeploymentFailed(
            f"{shown(stack.template)}: stack {stack.alias!r}: the mocked CloudFormation failed: {kind} {error}."
        ) from error
    description = client.describe_stacks(StackName=stack.name)["Stacks"][0]
    resources = tuple(_resources(client, contract, stack.account, stack.name, stack.template, ()))
    if description["StackStatus"] != "CREATE_COMPLETE":
        raise DeploymentFailed(f"{shown(stack.template)}: stack {stack.alias!r} ended {description['StackStatus']}.")
    outputs = {output["OutputKey"]: str(output["OutputValue"]) for output in description.get("Outputs") or ()}
    return DeployedStack(stack.alias, stack.account, stack.name, stack.template, given, outputs, resources)


def _pairs(given: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"ParameterKey": name, "ParameterValue": value} for name, value in given.items()]


def _resources(
    client: Any, contract: Contract, account: str, name: str, template: Path | None, above: tuple[str, ...]
) -> Iterator[Resource]:
    for entry in client.describe_stack_resources(StackName=name)["StackResources"]:
        path = (*above, entry["LogicalResourceId"])
        kind, physical = entry["ResourceType"], entry["PhysicalResourceId"]
        yield Resource(path, kind, physical, account, template)
        if kind == "AWS::CloudFormation::Stack":
            nested = nested_template(contract, template, entry["LogicalResourceId"])
            yield from _resources(client, contract, account, physical, nested, path)


def nested_template(contract: Contract, template: Path | None, logical_id: str) -> Path | None:
    """The file of a nested stack: the upload whose name ends the stack's TemplateURL; None where there is none."""
    if template is None:
        return None
    url = json.dumps(read(template).value["Resources"][logical_id]["Properties"]["TemplateURL"])
    for upload in contract.uploads:
        for file in upload.files:
            if f"/{file.name}" in url:
                return file
    return None
