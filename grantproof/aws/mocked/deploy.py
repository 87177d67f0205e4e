"""Deploys a grant into its world, through the mocked CloudFormation."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError, ParamValidationError, UnknownServiceError

from grantproof.aws.mocked.built import Built
from grantproof.aws.mocked.deployment import DeployedStack, Deployment, NotDeployed, Resource
from grantproof.aws.mocked.nested_templates import nested_file, path_in_grant
from grantproof.aws.mocked.world import World
from grantproof.aws.templates import parameters, wellformed
from grantproof.aws.templates.intrinsics import text
from grantproof.aws.templates.pseudo import pseudo_parameters
from grantproof.aws.templates.scope import NotResolved
from grantproof.aws.templates.template_data import place_of, policy_paths, with_places_cached
from grantproof.aws.templates.transforms import TemplateError
from grantproof.aws.templates.wellformed import Malformed
from grantproof.contract import Contract, Facts, Setup, Stack, UnknownFact, Upload, facts_of, resolve
from grantproof.contract.templates import is_named_as_template, is_template
from grantproof.source import at, read, shown


class DeploymentFailed(Exception):
    """A stack that could not be deployed. The message names the template and resource, and says why."""


class NotCreatable(DeploymentFailed):
    """The mocked world cannot create a resource of the stack; AWS may be able to."""


def deploy(world: World, contract: Contract, *, prepared: bool = False) -> Deployment:
    """Put the uploads into their buckets, create the stacks in their order, and make the `setup` calls.

    Args:
        prepared: the uploads, and what the `setup` calls create, already exist.

    Raises:
        DeploymentFailed: names template, resource and reason.
    """
    if prepared:
        contract = replace(contract, setup=())
    deployment = Deployment((), facts_of(contract)) if prepared else begin(world, contract)
    while len(deployment.stacks) < len(contract.stacks):
        deployment = advance(world, contract, deployment)
    set_up(world, contract, deployment)
    return deployment


def begin(world: World, contract: Contract) -> Deployment:
    """Put the uploads into their buckets. The deployment that is returned has no stacks yet.

    Raises:
        DeploymentFailed: a bucket of this name cannot be created.
    """
    for upload in contract.uploads:
        try:
            _make_bucket(world, upload)
        except (ClientError, ParamValidationError) as error:
            where = f"{shown(contract.path)}: upload {upload.alias!r}: there can be no bucket {upload.bucket!r}"
            said = error.response["Error"]["Message"] if isinstance(error, ClientError) else str(error)
            raise DeploymentFailed(f"{where}: {said.rstrip('.')}. Give it another name.") from None
        put_uploads(world, contract, upload)
    return Deployment((), facts_of(contract))


def advance(world: World, contract: Contract, deployment: Deployment) -> Deployment:
    """Create the next stack of the contract that the deployment does not have.

    Raises:
        DeploymentFailed: names template, resource and reason.
    """
    stack = contract.stacks[len(deployment.stacks)]
    deployed = _create(world, contract, stack, _resolved_parameters(stack, deployment.facts))
    return Deployment((*deployment.stacks, deployed), deployment.facts.with_values(deployed.facts))


def set_up(world: World, contract: Contract, deployment: Deployment) -> None:
    """Make the `setup` calls.

    Raises:
        DeploymentFailed: at the first that fails.
    """
    for call in contract.setup:
        _make_call(world, call, deployment.facts)


def _make_call(world: World, call: Setup, facts: Facts) -> None:
    try:
        client = world.client(world.root(call.account), call.service)
    except UnknownServiceError:
        raise DeploymentFailed(f"{call.place}: boto3 has no service {call.service!r}.") from None
    names = {api: method for method, api in client.meta.method_to_api_mapping.items()}
    if call.operation not in names:
        raise DeploymentFailed(f"{call.place}: {call.service} has no operation {call.operation!r}.")
    try:
        getattr(client, names[call.operation])(**resolve(call.parameters, facts))
    except (ClientError, ParamValidationError) as error:
        raise DeploymentFailed(f"{call.place}: {call.service} {call.operation}: {error}") from None


def delete(world: World, contract: Contract, deployment: Deployment) -> None:
    """Delete the stacks in reverse order, then the uploads with their buckets."""
    for stack in reversed(deployment.stacks):
        cloudformation(world, stack.account).delete_stack(StackName=stack.name)
        world.built.deleted.add((stack.account, stack.name))
    for upload in contract.uploads:
        s3 = world.client(world.root(upload.account), "s3")
        for entry in s3.list_objects_v2(Bucket=upload.bucket).get("Contents", ()):
            s3.delete_object(Bucket=upload.bucket, Key=entry["Key"])
        s3.delete_bucket(Bucket=upload.bucket)


def redeploy(world: World, deployment: Deployment) -> None:
    """Update every stack with the same template and parameters."""
    for stack in deployment.stacks:
        try:
            cloudformation(world, stack.account).update_stack(
                StackName=stack.name,
                TemplateBody=world.built.as_json(read(stack.template)),
                Parameters=_pairs(stack.parameters),
                Capabilities=_CAPABILITIES,
            )
        except ClientError as error:
            # CloudFormation answers an update that changes nothing with an error.
            if "No updates are to be performed" not in str(error):
                raise


def cloudformation(world: World, account: str) -> Any:
    """The CloudFormation client of an account's root user, which deploys its stacks."""
    return world.client(world.root(account), "cloudformation")


_CAPABILITIES = ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"]


def _make_bucket(world: World, upload: Upload) -> None:
    where = {} if world.region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": world.region}}
    world.client(world.root(upload.account), "s3").create_bucket(Bucket=upload.bucket, **where)


def put_uploads(world: World, contract: Contract, upload: Upload) -> None:
    """Put the files of an upload into its bucket."""
    s3 = world.client(world.root(upload.account), "s3")
    for file in upload.files:
        key = "/".join(filter(None, (upload.prefix, path_in_grant(contract, file))))
        is_parsed = is_named_as_template(file) or is_template(file)
        content = world.built.as_json(read(file)) if is_parsed else file.read_bytes()
        s3.put_object(Bucket=upload.bucket, Key=key, Body=content)


def _resolved_parameters(stack: Stack, facts: Facts) -> Mapping[str, str]:
    try:
        return dict(resolve(stack.parameters, facts))
    except UnknownFact as error:
        raise DeploymentFailed(f"{stack.place}: stack {stack.alias!r}: {error}.") from None


def _create(world: World, contract: Contract, stack: Stack, given: Mapping[str, str]) -> DeployedStack:
    document = read(stack.template)
    client = cloudformation(world, stack.account)
    try:
        number = world.number(stack.account)
        pseudo = pseudo_parameters(number, world.region, stack.name)
        wellformed.check_parameters(with_places_cached(document))
        parameters.check(document.value, given, pseudo)
        client.create_stack(
            StackName=stack.name,
            TemplateBody=world.built.as_json(document),
            Parameters=_pairs(given),
            Capabilities=_CAPABILITIES,
        )
    except parameters.RefusedParameters as error:
        # A ConstraintDescription is a sentence already.
        raise DeploymentFailed(f"{stack.place}: stack {stack.alias!r}: {str(error).rstrip('.')}.") from None
    except Malformed as error:
        place = error.place or shown(stack.template)
        raise DeploymentFailed(f"{place}: stack {stack.alias!r}: {error}.") from None
    except (TemplateError, NotResolved) as error:
        where = getattr(error, "place", None) or shown(stack.template)
        raise DeploymentFailed(f"{where}: stack {stack.alias!r}: {error}.") from None
    except ClientError as error:
        said = error.response["Error"]["Message"]
        raise DeploymentFailed(f"{shown(stack.template)}: stack {stack.alias!r}: {said}") from None
    except (KeyError, TypeError, AttributeError, ValueError, IndexError, RecursionError, re.error) as error:
        # moto raises arbitrary errors for a template that it cannot read.
        kind = type(error).__name__
        raise DeploymentFailed(
            f"{shown(stack.template)}: stack {stack.alias!r}: the mocked CloudFormation failed: {kind} {error}."
        ) from error
    description = client.describe_stacks(StackName=stack.name)["Stacks"][0]
    if description["StackStatus"] != "CREATE_COMPLETE":
        raise DeploymentFailed(f"{shown(stack.template)}: stack {stack.alias!r} ended {description['StackStatus']}.")
    reader = _ResourceReader(client, contract, stack.account, world.built)
    resources = tuple(reader.resources(stack.name, stack.template, ()))
    nested = {r.path: r.physical_id for r in resources if r.type == "AWS::CloudFormation::Stack"}
    missing = tuple(_missing(client, world.built, {(): stack.name, **nested}))
    if missing and not world.partial:
        raise NotCreatable("\n".join(map(str, missing)))
    outputs = {output["OutputKey"]: text(output["OutputValue"]) for output in description.get("Outputs") or ()}
    why = {name: because for (id_, name), because in world.built.outputs.items() if id_ == description["StackId"]}
    return DeployedStack(
        stack.alias, stack.account, stack.name, stack.template, given, outputs, resources, missing, why
    )


def _missing(client: Any, built: Built, stacks: Mapping[tuple[str, ...], str]) -> Iterator[NotDeployed]:
    """The resources that could not be created. `stacks`: path to name, of a stack and its nested ones."""
    if not built.refused:
        return
    ids = {client.describe_stacks(StackName=name)["Stacks"][0]["StackId"]: path for path, name in stacks.items()}
    for (stack, logical_id), because in built.refused.items():
        if stack in ids:
            written = built.templates[stack]["Resources"][logical_id]
            policies = tuple(place for path in policy_paths(written) if (place := place_of(written, path)))
            place = place_of(built.templates[stack], ("Resources", logical_id))
            yield NotDeployed((*ids[stack], logical_id), str(written.get("Type")), place, because, policies, written)


def _pairs(given: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"ParameterKey": name, "ParameterValue": value} for name, value in given.items()]


@dataclass(frozen=True)
class _ResourceReader:
    """Reads the resources of a deployed stack and of its nested stacks."""

    client: Any
    contract: Contract
    account: str
    built: Built

    def resources(self, name: str, template: Path | None, above: tuple[str, ...]) -> Iterator[Resource]:
        """The resources of a stack; each nested stack is followed by its own resources. `above`: the logical IDs of the
        nested stacks that contain this one."""
        for entry in self.client.describe_stack_resources(StackName=name)["StackResources"]:
            stack, logical_id = entry["StackId"], entry["LogicalResourceId"]
            # moto gives an AWS::Events::EventBusPolicy no physical ID.
            kind, physical = entry["ResourceType"], entry.get("PhysicalResourceId") or logical_id
            written = self.built.templates[stack]["Resources"][logical_id]
            properties = self.built.properties.get((stack, logical_id))
            yield Resource((*above, logical_id), kind, physical, self.account, template, written, properties)
            if kind == "AWS::CloudFormation::Stack":
                nested = nested_file(self.contract, str(at(properties, ("TemplateURL",))))
                yield from self.resources(physical, nested, (*above, logical_id))
