"""The values of a contract: what a grant promises, once it is read and checked."""

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
    """A statement of the contract, in IAM's grammar with Effect filled in; references stay until `resolve`.

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
    """A managed policy of AWS's own, promised by its name: whatever it says in the account. References stay until
    `resolve`."""

    reference: str
    place: Place


@dataclass(frozen=True)
class DeclaredPrincipal:
    """What one IAM entity of the grant is promised to be."""

    alias: str
    kind: Kind
    reference: str
    place: Place
    trust: tuple[DeclaredStatement, ...] = ()
    allows: tuple[DeclaredStatement, ...] = ()
    managed: tuple[AwsPolicy, ...] = ()
    """What it is allowed besides `allows`."""
    denies: tuple[DeclaredStatement, ...] = ()
    entered_by: tuple[str, ...] = ()
    max_session: int = 3600
    """The longest session of a role, in seconds."""
    boundary: str = ""
    """The alias of the managed policy that is its permissions boundary; empty where it has none."""
    variants: tuple[str, ...] = ()
    """The variants under which the stacks create it; empty: always."""


@dataclass(frozen=True)
class DeclaredResource:
    """A resource that carries a policy: what that policy says. References stay until `resolve`."""

    alias: str
    reference: str
    policy: tuple[DeclaredStatement, ...]
    place: Place
    variants: tuple[str, ...] = ()
    """The variants under which the stacks create it; empty: always."""


@dataclass(frozen=True)
class DeclaredSending:
    """A resource that sends what it holds or is given out of its account, and where to. References stay until
    `resolve`."""

    alias: str
    reference: str
    """The resource: `${stacks.ALIAS.resources.LOGICAL}`, in a nested stack `.../NESTED/LOGICAL`."""
    to: tuple[str, ...]
    """ARNs and addresses, each of them once."""
    place: Place
    variants: tuple[str, ...] = ()
    """The variants under which it sends there; empty: always."""

    @property
    def path(self) -> tuple[str, ...]:
        """The resource: the alias of the contract's stack, and logical ids through nested stacks."""
        _, alias, _, logical = self.reference.removeprefix("${").removesuffix("}").split(".", 3)
        return (alias, *logical.split("/"))


@dataclass(frozen=True)
class Change:
    """What a variant makes of a list of statements: some go, some come, and all of them get conditions besides."""

    drops: tuple[str, ...] = ()
    """Sids."""
    adds: tuple[DeclaredStatement, ...] = ()
    requires: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """A Condition block."""


@dataclass(frozen=True)
class PrincipalChange:
    """What a variant changes about one principal. None: as it is."""

    trust: Change | None = None
    allows: Change | None = None
    max_session: int | None = None
    boundary: str | None = None
    entered_by: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Variant:
    """Values of parameters, and what they change of the promise.

    `absent` are principals and resources that the stacks then do not create, and what they then do not send; those
    under `changes` that are nowhere else are created by this variant only.
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
    """A call that prepares what is not the stacks' to make, such as a SecureString: made by the owner of an account
    after the stacks, before anything is tried. `variants` are those that need it; empty: always."""

    account: str
    service: str
    operation: str
    parameters: Mapping[str, Any]
    place: Place
    variants: tuple[str, ...] = ()


@dataclass(frozen=True)
class Additions:
    """What is there only under some variants; see `Stack.variants` and its kin."""

    stacks: tuple[Stack, ...] = ()
    principals: tuple[DeclaredPrincipal, ...] = ()
    resources: tuple[DeclaredResource, ...] = ()
    setup: tuple[Setup, ...] = ()
    sends: tuple[DeclaredSending, ...] = ()


@dataclass(frozen=True)
class Contract:
    """A contract, checked. `stacks` are in the order in which they can be deployed."""

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
    """Does it have `variants`, if only an empty list of them? Then every option and branch of its templates has to be
    accounted for; else only what is deployed is verified."""

    @cached_property
    def templates(self) -> tuple[Path, ...]:
        """Every template of the grant, nested ones included; which files are templates is looked up once."""
        stacks = (*self.stacks, *self.additions.stacks)
        named = [stack.template for stack in stacks] + [f for upload in self.uploads for f in upload.files]
        return tuple(dict.fromkeys(path for path in named if is_template(path)))

    @property
    def files(self) -> tuple[Path, ...]:
        """Every file that decides over what is deployed: the contract, its templates, and whatever they include."""
        included = (file for upload in self.uploads for file in upload.files)
        return tuple(dict.fromkeys((self.path, *self.templates, *included)))

    def principal(self, alias: str) -> DeclaredPrincipal:
        """The principal of this alias.

        Raises:
            KeyError: there is none.
        """
        every = (*self.additions.principals, *self.principals)
        return {principal.alias: principal for principal in every}[alias]
