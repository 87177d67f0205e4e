"""The data of a contract, read and checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from grantproof.contract.templates import is_template
from grantproof.iam import actions
from grantproof.source import Place

Kind = Literal["role", "group", "user", "policy"]
KINDS: tuple[Kind, ...] = ("role", "group", "user", "policy")


@dataclass(frozen=True)
class Upload:
    """Files that a template fetches from S3."""

    alias: str
    account: str
    bucket: str
    prefix: str
    files: tuple[Path, ...]


@dataclass(frozen=True)
class Stack:
    """A stack to deploy. `parameters` may hold references, which `resolve` fills."""

    alias: str
    account: str
    template: Path
    name: str
    parameters: Mapping[str, str]
    place: Place
    variants: tuple[str, ...] = ()
    """The variants under which it is deployed; empty: always."""


@dataclass(frozen=True)
class DeclaredStatement:
    """A statement of the contract, in IAM's grammar with Effect filled in; `resolve` fills its references.

    `levels` narrows the actions to the known ones of these access levels; empty means no narrowing.
    """

    document: Mapping[str, Any]
    place: Place
    levels: tuple[str, ...] = ()

    @property
    def patterns(self) -> tuple[str, ...]:
        """The action patterns under Action or NotAction."""
        written = self.document.get("Action", self.document.get("NotAction", []))
        return (written,) if isinstance(written, str) else tuple(written)

    def known_actions(self) -> tuple[str, ...]:
        """The actions that exist and that the statement names, narrowed by its access levels, sorted."""
        found = actions.covered(self.patterns, others="NotAction" in self.document)
        if self.levels:
            found &= frozenset().union(*map(actions.of_level, self.levels))
        return tuple(sorted(found))


@dataclass(frozen=True)
class AwsPolicy:
    """An AWS managed policy, promised by name, whatever its content. `resolve` fills the references."""

    reference: str
    place: Place


@dataclass(frozen=True)
class DeclaredPrincipal:
    """What the contract promises of one IAM entity."""

    alias: str
    kind: Kind
    reference: str
    place: Place
    trust: tuple[DeclaredStatement, ...] = ()
    allows: tuple[DeclaredStatement, ...] = ()
    managed: tuple[AwsPolicy, ...] = ()
    """The AWS managed policies that it has besides `allows`."""
    denies: tuple[DeclaredStatement, ...] = ()
    entered_by: tuple[str, ...] = ()
    max_session: int = 3600
    """The maximum session duration of a role, in seconds."""
    boundary: str = ""
    """The alias of the managed policy that is its permissions boundary; empty where it has none."""
    variants: tuple[str, ...] = ()
    """The variants under which the stacks create it; empty: always."""


@dataclass(frozen=True)
class DeclaredResource:
    """A resource with its resource policy. `resolve` fills the references."""

    alias: str
    reference: str
    policy: tuple[DeclaredStatement, ...]
    place: Place
    variants: tuple[str, ...] = ()
    """The variants under which the stacks create it; empty: always."""


@dataclass(frozen=True)
class DeclaredSending:
    """A resource with its external destinations. `resolve` fills the references."""

    alias: str
    reference: str
    """The resource: `${stacks.ALIAS.resources.LOGICAL}`, in a nested stack `.../NESTED/LOGICAL`."""
    to: tuple[str, ...]
    """ARNs and addresses, each once."""
    place: Place
    variants: tuple[str, ...] = ()
    """The variants under which it sends there; empty: always."""

    @property
    def path(self) -> tuple[str, ...]:
        """The resource: the alias of the contract's stack, then logical IDs through nested stacks."""
        _, alias, _, logical = self.reference.removeprefix("${").removesuffix("}").split(".", 3)
        return (alias, *logical.split("/"))


@dataclass(frozen=True)
class Change:
    """How a variant changes a list of statements: statements dropped, statements added, conditions added to all."""

    drops: tuple[str, ...] = ()
    """Sids."""
    adds: tuple[DeclaredStatement, ...] = ()
    requires: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """A Condition block."""


@dataclass(frozen=True)
class PrincipalChange:
    """How a variant changes one principal. None: unchanged."""

    trust: Change | None = None
    allows: Change | None = None
    max_session: int | None = None
    boundary: str | None = None
    entered_by: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Variant:
    """Values of parameters, and how they change what the contract promises.

    `absent`: the aliases of principals, resources and sends that the stacks then do not have. An entry that is declared
    only under `changes` is created only by this variant.
    """

    alias: str
    description: str
    parameters: Mapping[str, Mapping[str, str]]
    changes: Mapping[str, PrincipalChange]
    resources: Mapping[str, Change]
    absent: tuple[str, ...]
    needs: tuple[str, ...]
    """Variants without which CloudFormation refuses this one."""
    excludes: tuple[str, ...]
    """Variants with which CloudFormation refuses this one."""
    place: Place


@dataclass(frozen=True)
class Setup:
    """A call that prepares what stacks cannot create, such as a SecureString. The owner of the account makes it after
    the deployment and before any test. `variants`: those that need it; empty: always."""

    account: str
    service: str
    operation: str
    parameters: Mapping[str, Any]
    place: Place
    variants: tuple[str, ...] = ()


@dataclass(frozen=True)
class Additions:
    """What exists only under some variants (`Stack.variants` and so on)."""

    stacks: tuple[Stack, ...] = ()
    principals: tuple[DeclaredPrincipal, ...] = ()
    resources: tuple[DeclaredResource, ...] = ()
    setup: tuple[Setup, ...] = ()
    sends: tuple[DeclaredSending, ...] = ()


@dataclass(frozen=True)
class Contract:
    """A checked contract. `stacks` are in an order in which they can be deployed."""

    grant: str
    path: Path
    description: str
    accounts: Mapping[str, str]
    region: str
    partition: str
    uploads: tuple[Upload, ...]
    stacks: tuple[Stack, ...]
    principals: tuple[DeclaredPrincipal, ...]
    resources: tuple[DeclaredResource, ...] = ()
    variants: tuple[Variant, ...] = ()
    setup: tuple[Setup, ...] = ()
    additions: Additions = Additions()
    sends: tuple[DeclaredSending, ...] = ()
    accounts_for_options: bool = False
    """Does it have `variants`, even an empty list? Then it has to account for every option and branch of its templates;
    else only the deployment itself is verified."""

    @cached_property
    def templates(self) -> tuple[Path, ...]:
        """Every template of the grant, nested ones included. Cached."""
        stacks = (*self.stacks, *self.additions.stacks)
        named = [stack.template for stack in stacks] + [f for upload in self.uploads for f in upload.files]
        return tuple(dict.fromkeys(path for path in named if is_template(path)))

    @property
    def files(self) -> tuple[Path, ...]:
        """Every file that the deployment depends on: the contract, its templates, and the files that they include."""
        included = (file for upload in self.uploads for file in upload.files)
        return tuple(dict.fromkeys((self.path, *self.templates, *included)))

    def principal(self, alias: str) -> DeclaredPrincipal:
        """The principal of this alias.

        Raises:
            KeyError: there is none.
        """
        every = (*self.additions.principals, *self.principals)
        return {principal.alias: principal for principal in every}[alias]
