"""The deployment of the templates: both accounts, nested stacks, outputs, a second deployment, and deletion."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from grantproof.aws.combinations.policy_parameters import parameters_in_policies
from grantproof.aws.held.content import content
from grantproof.aws.held.quoted_outputs import freely_written_outputs
from grantproof.aws.held.resource_properties import not_created
from grantproof.aws.mocked.deploy import cloudformation, delete, redeploy
from grantproof.aws.mocked.deployment import DeployedStack, NotDeployed
from grantproof.aws.mocked.stand_ins import is_stand_in
from grantproof.aws.staged.stage import Stage
from grantproof.aws.templates import constraints, parameters, wellformed
from grantproof.aws.templates.possible_characters import could_widen
from grantproof.aws.templates.template_data import with_places_cached
from grantproof.contract import Contract, Stack, facts_of, references, resolve
from grantproof.evidence.finding import digest
from grantproof.source import read, shown

Deploy = Callable[[Contract], Stage]


def test_every_stack_and_every_nested_stack_is_complete(
    grant: Contract, stack: Stack, world: Stage, verdict: Any
) -> None:
    """Every resource of every template exists, except those whose Condition is false."""
    deployed = next(s for s in world.deployment.stacks if s.alias == stack.alias)
    there = {resource.path: resource for resource in deployed.resources}
    client = cloudformation(world.world, stack.account)
    nested = [r for r in deployed.resources if r.type == "AWS::CloudFormation::Stack"]
    for name in (deployed.name, *(r.physical_id for r in nested)):
        status = client.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"]
        if status != "CREATE_COMPLETE":
            verdict.broken(f"stack {stack.alias} is complete", f"stack {name} is {status}", place=str(stack.place))
    for path, template in [((), stack.template), *((r.path, world.origins.nested(r)) for r in nested)]:
        if template is None:
            verdict.unverified(
                f"stack {stack.alias} is complete",
                f"the template of the nested stack {'/'.join(path)} is not among the contract's uploads",
                place=str(stack.place),
            )
            continue
        missing = {m.path for m in deployed.missing}
        for name, resource in read(template).value["Resources"].items():
            if isinstance(resource, list):
                continue  # a loop, which the deployment has written out
            if str(resource.get("Type")) in ("AWS::Serverless::Connector", "AWS::Serverless::LayerVersion"):
                continue  # SAM makes a policy of the one, and gives the other another name with each content
            if (*path, name) not in there and "Condition" not in resource and (*path, name) not in missing:
                verdict.broken(
                    f"stack {stack.alias} is complete",
                    f"resource {name} was not created",
                    place=str(read(template).place("Resources", name)),
                )


def test_every_resource_could_be_deployed(grant: Contract, stack: Stack, world: Stage, verdict: Any) -> None:
    """A resource that the mocked world cannot create was not verified, and neither was any resource that refers to it.
    If no policy is missing because of it, a person can accept that."""
    deployed = next(s for s in world.deployment.stacks if s.alias == stack.alias)
    for missing in deployed.missing:
        report_missing(verdict, deployed, missing, f"stack {stack.alias} is deployed whole", str(stack.place))
    carriers = [world.origins.resource(arn) for arn in world.policies.resource_policies]
    stand_ins = [r for r in deployed.resources if is_stand_in(r.type) and any(r is carrier for carrier in carriers)]
    if stand_ins:
        named = ", ".join(f"{'/'.join(r.path)} ({r.type})" for r in stand_ins)
        verdict.could_not_try(f"calls on {named}: stand-ins, whose policies are proved")


def _unknown(type_: str) -> str:
    if type_ == "AWS::CloudFormation::StackSet":
        return "what it deploys; make its template a stack of the contract, and accept this one by a waiver"
    return "that it gives nobody access; once somebody has looked, a waiver accepts it"


def report_missing(
    verdict: Any, deployed: DeployedStack, missing: NotDeployed, clause: str, place: str, under: str = ""
) -> None:
    """Report a resource that was not created, and what was not verified because of it."""
    lost = ", ".join(map(str, missing.policies))
    carries_access = bool(lost) or missing.type.startswith("AWS::IAM::")
    note = verdict.unverified if carries_access else verdict.broken
    # The number of others is not mentioned, since a waiver for this resource contains the text.
    note(
        clause,
        f"{under}{'/'.join(missing.path)} ({missing.type}) is not deployed: the mocked world cannot create "
        f"{missing.because}. Not verified: "
        + (f"its policy at {lost}" if lost else "its access" if carries_access else _unknown(missing.type))
        + (". Verified: the stack's other resources" if deployed.resources else ""),
        place=str(missing.place or place),
        covers=digest(next(content(deployed, one) for one in not_created(deployed) if one.path == missing.path)),
    )


def test_every_output_has_a_value(grant: Contract, stack: Stack, world: Stage, verdict: Any) -> None:
    """No output is missing, empty, or an unresolved intrinsic function."""
    deployed = next(s for s in world.deployment.stacks if s.alias == stack.alias)
    template = read(stack.template)
    for name, output in (template.value.get("Outputs") or {}).items():
        value = deployed.outputs.get(name)
        if isinstance(output, list) or (value is None and "Condition" in output):
            continue  # a loop, which the deployment has unrolled; or absent by design
        if not value or "${" in value or value.startswith("{") or value == "None":
            missing = deployed.valueless.get(name, "").replace("what it takes from", "there is no")
            verdict.broken(
                f"stack {stack.alias} has its outputs",
                f"output {name} has no value: {missing.removesuffix(', which is not there')}"
                if value is None and missing
                else f"output {name} is {value!r}",
                place=str(template.place("Outputs", name)),
            )
    report_freely_written(verdict, world, deployed, f"stack {stack.alias} has its outputs")


def report_freely_written(verdict: Any, world: Stage, deployed: DeployedStack, clause: str, under: str = "") -> None:
    """Say which outputs the contract promises by what they say, though the template may write there what it likes."""
    for name in freely_written_outputs(world, deployed):
        verdict.unverified(
            clause,
            f"{under}the contract promises whatever output {name} says, which is {deployed.outputs[name]!r} and names "
            "nothing that the stacks create; let it be the Ref or an attribute of a resource, or write the value into "
            "the contract",
            place=str(read(deployed.template).place("Outputs", name)),
        )


def test_a_second_deployment_changes_nothing(grant: Contract, deploy: Deploy, verdict: Any) -> None:
    stage = deploy(grant)
    before = {number: snapshot.as_dict() for number, snapshot in stage.snapshots().items()}
    redeploy(stage.world, stage.deployment)
    after = {number: snapshot.as_dict() for number, snapshot in stage.snapshots().items()}
    if before == after:
        stage.mark_untouched()
    for number in before:
        for part, entries in before[number].items():
            if entries != after[number][part]:
                verdict.broken(
                    "a second deployment changes nothing",
                    f"{part} of account {number} differ after deploying the same templates again",
                    place=shown(grant.path),
                )


@pytest.mark.destroys
def test_deletion_leaves_nothing_behind(grant: Contract, deploy: Deploy, verdict: Any) -> None:
    """Only resources with the DeletionPolicy Retain remain. (A KMS key waits for its deletion.)"""
    stage = deploy(grant)
    retained = _retained(grant)
    delete(stage.world, grant, stage.deployment)
    for number, snapshot in stage.snapshots().items():
        left = [e["Arn"] for e in (*snapshot.roles, *snapshot.users, *snapshot.groups, *snapshot.policies)]
        left += [e["Arn"] for e in snapshot.resource_policies if not _awaits_deletion(stage, number, e)]
        for arn in left:
            resource = stage.origins.resource(arn)
            if resource is None or resource.path[-1] not in retained:
                verdict.broken(
                    "deleting the stacks leaves nothing behind",
                    f"{arn} is still there in account {number}",
                    place=str(stage.origins.place(arn) or shown(grant.path)),
                )
    for stack in stage.deployment.stacks:
        client = cloudformation(stage.world, stack.account)
        left_stacks = [
            s["StackName"] for s in client.describe_stacks()["Stacks"] if s["StackStatus"] != "DELETE_COMPLETE"
        ]
        for name in left_stacks:
            verdict.broken(
                "deleting the stacks leaves nothing behind", f"stack {name} is still there", place=str(stack.template)
            )


def _awaits_deletion(stage: Stage, account: str, carrier: Any) -> bool:
    """Is it a key that CloudFormation has deleted? KMS deletes it after seven days at the earliest."""
    if carrier["Type"] != "AWS::KMS::Key":
        return False
    kms = stage.world.client(stage.world.root(account), "kms")
    return bool(kms.describe_key(KeyId=carrier["Arn"])["KeyMetadata"]["KeyState"] == "PendingDeletion")


def _retained(grant: Contract) -> set[str]:
    return {
        name
        for template in grant.templates
        for name, resource in read(template).value["Resources"].items()
        if isinstance(resource, dict) and resource.get("DeletionPolicy", "Delete") != "Delete"
    }


def test_bad_parameter_values_are_refused(grant: Contract, stack: Stack, verdict: Any) -> None:
    """Values that a template's own constraints refuse are refused before anything is created. No parameter accepts
    every text, because its value can become part of a policy."""
    template = read(stack.template)
    wellformed.check_parameters(with_places_cached(template))
    for name in constraints.unconstrained(template.value):
        verdict.broken(
            f"parameters of stack {stack.alias} are constrained",
            f"parameter {name} takes any text, `*` included; give it an AllowedPattern",
            place=str(template.place("Parameters", name)),
        )
    known = facts_of(grant)
    usable = {
        name: "" if any(n not in known.values for n in references(value)) else resolve(value, known)
        for name, value in stack.parameters.items()
    }
    for bad in constraints.bad_values(template.value):
        with pytest.raises(parameters.RefusedParameters) as refused:
            parameters.check(template.value, {**usable, bad.parameter: bad.value})
        assert str(refused.value)
        verdict.proves()


def test_no_parameter_that_reaches_a_policy_takes_a_wildcard(grant: Contract, template: Any, verdict: Any) -> None:
    """Also in nested templates, and over every value that a parameter accepts: none contains `*`, `?` or a policy
    variable if a Resource, Principal or Action is built from it."""
    document = read(template)
    declared = document.value.get("Parameters") or {}
    reaching = {name for path, name in parameters_in_policies(grant) if path == template}
    for name in sorted(reaching & set(declared)):
        if found := could_widen(declared[name]):
            verdict.broken(
                f"parameters of {template.name} cannot widen a policy",
                f"parameter {name} takes values with {found} in them, and a policy is built from it; "
                "narrow its AllowedPattern",
                place=str(document.place("Parameters", name)),
            )
        verdict.proves()
