"""Finds the grants in a folder, and loads the contract of one."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path
from typing import NoReturn

from grantproof.contract.declared import Additions, Contract
from grantproof.contract.errors import ContractError
from grantproof.contract.node import Node
from grantproof.contract.options import variants_of
from grantproof.contract.principals import principals_of, resources_of
from grantproof.contract.reference_checks import check_references
from grantproof.contract.sends import sends_of
from grantproof.contract.stacks import accounts_of, in_order, region_of, setup_of, stacks_of, uploads_of
from grantproof.contract.templates import is_named_as_template, may_be_template
from grantproof.source import SourceError, read, shown

_TOP = (
    "version", "description", "accounts", "region", "uploads", "stacks", "setup", "principals", "resources", "sends",
    "variants",
)  # fmt: skip


def find(directory: Path) -> tuple[Contract, ...]:
    """The grants in a folder and in all folders below it, sorted by path. A grant is a folder with a contract.yaml.

    Raises:
        ContractError: there is none; a contract is wrong; two grants have the same folder name; or the folder has a
            template that no contract deploys, so that nothing would be verified of it.
    """
    _refuse_unreadable(directory)
    paths = sorted(directory.rglob("contract.yaml"))
    if not paths:
        if similar := sorted(path for path in directory.rglob("*") if re.fullmatch(r"(?i)contract\.ya?ml", path.name)):
            raise ContractError(similar[0], "is not looked for. Rename it to contract.yaml.")
        raise ContractError(
            directory, "holds no grant: no folder in it has a contract.yaml. Draft one: grantproof init TEMPLATE."
        )
    folders = {path.parent for path in paths}
    _refuse_without_contract(directory, folders, paths[0].parent)
    contracts = tuple(load(path) for path in paths)
    _refuse_same_name(contracts)
    _refuse_not_deployed(directory, folders, contracts)
    return contracts


def _refuse_without_contract(directory: Path, folders: set[Path], first: Path) -> None:
    """Refuse templates outside the grants' folders, and links to folders, which rglob does not follow.

    Args:
        folders: those of the grants.
        first: the first of them, which the error names as one that can be verified.
    """
    alone = []
    for file in sorted(directory.rglob("*")):
        if file.is_symlink() and file.is_dir():
            raise ContractError(file, "is a link to a folder, which is not looked into. Put the folder in its place.")
        if is_named_as_template(file) and not folders.intersection(file.parents) and may_be_template(file):
            alone.append(file)
    if alone:
        left = len(alone) - 1
        others = f", as {'is' if left == 1 else 'are'} {left} more here" if left else ""
        raise ContractError(
            alone[0],
            f"is a template without a contract{others}. Draft one: grantproof init {shlex.quote(shown(alone[0]))}; or "
            f"name a folder in which every template has one, such as {shown(first)}.",
        )


def _refuse_same_name(contracts: tuple[Contract, ...]) -> None:
    paths: dict[str, Path] = {}
    for contract in contracts:
        if contract.grant in paths:
            other = shown(paths[contract.grant])
            raise ContractError(contract.path, f"has the same folder name as {other}. Rename one of the two folders.")
        paths[contract.grant] = contract.path


def _refuse_not_deployed(directory: Path, folders: set[Path], contracts: tuple[Contract, ...]) -> None:
    """Refuse templates that no contract names."""
    uploaded = [file for contract in contracts for upload in contract.uploads for file in upload.files]
    deployed = {file.resolve() for file in (*uploaded, *(t for contract in contracts for t in contract.templates))}
    for file in sorted(directory.rglob("*")):
        inside = is_named_as_template(file) or folders.intersection(file.parents)
        if inside and file.resolve() not in deployed and may_be_template(file):
            raise ContractError(
                file,
                "is a template that no contract deploys, so that nothing is verified of it. Name it under `stacks` or "
                "`uploads`, or move it out of the folder.",
            )


def _refuse_unreadable(directory: Path) -> None:
    """Refuse a path that is no folder, and folders that cannot be read: rglob would skip these with the grants in
    them."""

    def refuse(error: OSError) -> NoReturn:
        where = Path(error.filename or directory)
        raise ContractError(where, f"cannot be looked into: {error.strerror}. Make it readable, or move it away.")

    if directory.is_file():
        raise ContractError(directory, f"is not a folder. Name the folder of its grant: {shown(directory.parent)}.")
    if not directory.is_dir():
        raise ContractError(
            directory,
            "is not a folder. Name one that holds grants: folders with a contract.yaml. To draft the first: grantproof "
            "init TEMPLATE.",
        )
    for _ in os.walk(directory, onerror=refuse):
        pass


def load(path: Path) -> Contract:
    """Load one contract. `path` is its file, or the folder of the grant.

    Raises:
        ContractError: the file does not exist, cannot be read, or is no valid contract.
    """
    if path.is_dir() and path.name == "contract.yaml":
        raise ContractError(path, "is a folder; a contract is a file of this name. Rename the folder.")
    if path.is_dir():
        path = path / "contract.yaml"
    if not path.exists():
        raise ContractError(path, "is not there. Name the folder of one grant, which holds a contract.yaml.")
    try:
        document = read(path)
    except SourceError as error:
        raise ContractError(error.place, error.message) from None
    return _contract(Node(document, document.value))


def _contract(top: Node) -> Contract:
    """The contract in a document. Entries with `variants` are kept apart, in `additions`."""
    top.object("a contract", _TOP).having(("version", "accounts", "region", "stacks", "principals"), "the contract")
    if top.value["version"] == "1":
        top.refuse("version is a text; write the number 1, without quotes.", "version")
    if top.value["version"] != 1:
        top.refuse(f"version {top.value['version']!r} is not known. This release reads version 1.", "version")
    accounts = accounts_of(top)
    region, partition = region_of(top)
    uploads = uploads_of(top, accounts)
    stacks = stacks_of(top, accounts)
    check_references(top, accounts, uploads, stacks)
    principals, resources, setup = principals_of(top), resources_of(top), setup_of(top, accounts)
    sends = sends_of(top, [*principals, *resources])
    return Contract(
        grant=top.folder.resolve().name,
        path=top.document.path,
        description=top.text_at("description", "-"),
        accounts=accounts,
        region=region,
        partition=partition,
        uploads=uploads,
        variants=variants_of(top, stacks, principals, resources, sends),
        stacks=in_order(top, tuple(stack for stack in stacks if not stack.variants)),
        principals=tuple(principal for principal in principals if not principal.variants),
        resources=tuple(resource for resource in resources if not resource.variants),
        setup=tuple(call for call in setup if not call.variants),
        sends=tuple(sending for sending in sends if not sending.variants),
        accounts_for_options="variants" in top,
        additions=Additions(
            tuple(stack for stack in stacks if stack.variants),
            tuple(principal for principal in principals if principal.variants),
            tuple(resource for resource in resources if resource.variants),
            tuple(call for call in setup if call.variants),
            tuple(sending for sending in sends if sending.variants),
        ),
    )
