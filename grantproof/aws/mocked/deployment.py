"""A deployed grant as data: its stacks, their resources and outputs, and what could not be deployed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from grantproof.contract import Facts
from grantproof.source import Place


@dataclass(frozen=True)
class Resource:
    """A deployed resource.

    Attributes:
        path: its logical ID, after those of the nested stacks that contain it.
        account: the alias of its account.
        template: the file that declares it; None where that is no file of the grant.
        written: its entry in the template after transforms; None for a resource of a real account.
        properties: its properties with functions resolved; None for a resource of a real account. The objects of both
            are `Placed`.
    """

    path: tuple[str, ...]
    type: str
    physical_id: str
    account: str
    template: Path | None
    written: Any = field(default=None, repr=False)
    properties: Any = field(default=None, repr=False)


@dataclass(frozen=True)
class NotDeployed:
    """A resource that the mocked world could not create.

    Attributes:
        because: what it cannot create, in words.
        policies: the positions of the policy documents in its properties.
        written: its entry in the template after transforms.
    """

    path: tuple[str, ...]
    type: str
    place: Place | None
    because: str
    policies: tuple[Place, ...]
    written: Any = field(default=None, repr=False)

    def __str__(self) -> str:
        return f"{self.place}: {'/'.join(self.path)} ({self.type}): the mocked world cannot create {self.because}"


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
    missing: tuple[NotDeployed, ...] = ()
    #: By output without a value, the reason.
    valueless: Mapping[str, str] = field(default_factory=dict)

    @property
    def facts(self) -> Mapping[str, str]:
        """The values of a contract's references to the stack: its outputs, and the physical IDs of its resources as
        `resources.LOGICAL`, or `resources.NESTED/LOGICAL` in a nested stack. The physical ID of a queue is its URL, so
        there is also its name, as `resources.LOGICAL.QueueName`."""
        start = f"stacks.{self.alias}"
        ids = {f"{start}.resources.{'/'.join(r.path)}": r.physical_id for r in self.resources}
        queues = [r for r in self.resources if r.type == "AWS::SQS::Queue"]
        ids |= {f"{start}.resources.{'/'.join(r.path)}.QueueName": r.physical_id.rpartition("/")[2] for r in queues}
        return {**ids, **{f"{start}.outputs.{name}": value for name, value in self.outputs.items()}}


@dataclass(frozen=True)
class Deployment:
    """The deployed stacks of a grant. `facts`: the values of the references in its contract."""

    stacks: tuple[DeployedStack, ...]
    facts: Facts
