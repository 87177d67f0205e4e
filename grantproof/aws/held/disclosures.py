"""Secret values that stacks write in plaintext, where permissions other than those of the secret decide who reads
them."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from pathlib import Path

from grantproof.aws.held.content import ResourceFinding, content
from grantproof.aws.held.deployed import Deployed
from grantproof.aws.held.origin import Origins, properties_of, written_of
from grantproof.aws.mocked.deployment import Deployment, Resource
from grantproof.aws.templates.disclosed_secrets import (
    attributes_in,
    disclosed,
    disclosed_attributes,
    may_refer_to_secret,
    secret_attributes,
    secrets_in,
)
from grantproof.aws.templates.template_data import place_of
from grantproof.source import Key, at, read, shown


def disclosures(deployed: Deployed) -> Iterator[ResourceFinding]:
    """Properties and outputs that contain the value of a secret in plaintext."""
    for stack in deployed.deployment.stacks:
        for resource in stack.resources:
            for path in _disclosed(deployed.deployment, resource):
                place = place_of(properties_of(resource), path)
                yield ResourceFinding(
                    f"{resource.path[-1]} ({resource.type}) has the value of a secret in clear at "
                    f"{'.'.join(map(str, path))}: whoever may look at it reads it. Name the secret there, and let who "
                    "needs the value ask Secrets Manager for it",
                    str(place or shown(resource.template or deployed.contract.path)),
                    content(stack, resource),
                )
    for template in sorted({t for s in deployed.deployment.stacks for t in (s.template, *_templates_of(s.resources))}):
        document = read(template)
        outputs = document.value.get("Outputs") or {}
        for path in (*secrets_in(outputs), *attributes_in(outputs, secret_attributes(document))):
            yield ResourceFinding(
                f"the output {path[0]} has the value of a secret in clear: whoever may look at the stack reads it",
                str(document.place("Outputs", path[0])),
                json.dumps(outputs[path[0]], sort_keys=True, default=str),
            )


def discloses(deployment: Deployment, resource: Resource) -> bool:
    """Does a property of a resource contain the value of a secret in plaintext?"""
    return next(_disclosed(deployment, resource), None) is not None


def _disclosed(deployment: Deployment, resource: Resource) -> Iterator[tuple[Key, ...]]:
    """The paths in the properties of a resource at which the value of a secret can be read."""
    properties = properties_of(resource)
    written = at(written_of(resource), ("Properties",))
    secrets: Collection[str] = ()
    if may_refer_to_secret(written) and resource.template is not None:
        secrets = secret_attributes(read(resource.template))

    def found(hidden: Collection[str] = ()) -> Iterator[tuple[Key, ...]]:
        yield from disclosed(resource.type, properties, hidden)
        yield from disclosed_attributes(resource.type, written, secrets, hidden)

    if next(found(), None) is not None:  # only then is a nested template read for what it hides
        yield from found(_hidden(deployment, resource))


def _templates_of(resources: Collection[Resource]) -> Iterator[Path]:
    return (resource.template for resource in resources if resource.template is not None)


def _hidden(deployment: Deployment, resource: Resource) -> Collection[str]:
    """The `NoEcho` parameters of a nested stack, which CloudFormation masks."""
    nested = Origins(deployment).nested(resource) if resource.type == "AWS::CloudFormation::Stack" else None
    declared = read(nested).value.get("Parameters") or {} if nested is not None else {}
    return [name for name in declared if str(at(declared, (name, "NoEcho"))).lower() == "true"]
