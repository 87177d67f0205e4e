"""Reads the accounts, uploads and stacks of a contract, and the setup calls."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from grantproof.contract.declared import Setup, Stack, Upload
from grantproof.contract.node import Node, did_you_mean, named
from grantproof.contract.order import Cycle, ordered
from grantproof.contract.templates import is_named_as_template, readable, section
from grantproof.source import shown

_UPLOAD = ("account", "bucket", "prefix", "files")
_STACK = ("account", "template", "name", "parameters", "variants")
_SETUP = ("account", "service", "operation", "parameters", "variants")
_STACK_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,127}")


def accounts_of(top: Node) -> Mapping[str, str]:
    """The account IDs, by alias."""
    numbers: dict[str, str] = {}
    for alias, node in top["accounts"].aliases("accounts").items():
        number = node.value
        if not isinstance(number, str):
            # YAML reads unquoted digits as a number, possibly another one: 011111111111 is octal.
            node.refuse(f"account {alias!r} is {named(number)}; put its 12 digits in quotes, with zeros in front.")
        if not re.fullmatch(r"[0-9]{12}", number):
            bare = re.sub(r"[^0-9]", "", number)
            hint = f" Write {bare}." if len(bare) == 12 else ""
            node.refuse(f"account {alias!r} is {number!r}, which is not 12 digits.{hint}")
        for other, known in numbers.items():
            if known == number:
                node.refuse(f"accounts {other!r} and {alias!r} have the same number.")
        numbers[alias] = number
    return numbers


def region_of(top: Node) -> tuple[str, str]:
    """The region, and its partition."""
    region, known = top["region"].text("region"), regions()
    if region not in known:
        top["region"].refuse(f"{region!r} is not a region. {did_you_mean(region, known)}")
    return region, known[region]


@cache
def regions() -> Mapping[str, str]:
    """Every region that botocore knows, and its partition."""
    # A botocore session would read the user's AWS configuration, and fail where that names an unknown profile; its
    # loader alone takes a tenth of a second to import.
    partitions = json.loads(resources.files("botocore").joinpath("data", "endpoints.json").read_bytes())["partitions"]
    return {region: entry["partition"] for entry in partitions for region in entry["regions"]}


def uploads_of(top: Node, accounts: Iterable[str]) -> tuple[Upload, ...]:
    """The uploads, in the order of the file."""
    out = []
    for alias, node in top.aliases_at("uploads").items():
        what = f"upload {alias!r}"
        node.object(what, _UPLOAD, ("account", "bucket", "files"))
        files = tuple(entry.file() for entry in node["files"].items("files"))
        for file in filter(is_named_as_template, files):
            readable(file)
        account = _account(node, accounts, what)
        out.append(Upload(alias, account, node.text_at("bucket"), node.text_at("prefix"), files))
    return tuple(out)


def stacks_of(top: Node, accounts: Iterable[str]) -> tuple[Stack, ...]:
    """The stacks, in the order of the file."""
    return tuple(_stack(alias, node, accounts) for alias, node in top["stacks"].aliases("stacks").items())


def _stack(alias: str, node: Node, accounts: Iterable[str]) -> Stack:
    what = f"stack {alias!r}"
    node.object(what, _STACK, ("account", "template"))
    account = _account(node, accounts, what)
    template = node["template"].file()
    name = node.text_at("name", default_name(node.folder, alias))
    if not _STACK_NAME.fullmatch(name):
        node.refuse(f"{name!r} is not a stack name: letters, digits and -, a letter first.", "name")
    parameters = parameters_of(node["parameters"], template, what) if node.value.get("parameters") else {}
    for parameter, declared in section(template, "Parameters").items():
        if parameter not in parameters and isinstance(declared, Mapping) and "Default" not in declared:
            node.refuse(f"{what} does not give {parameter!r}, which {shown(template)} requires.")
    return Stack(alias, account, template, name, parameters, node.place, under_variants(node))


def default_name(folder: Path, alias: str) -> str:
    """The default name of a stack: a valid name made of the grant's folder and its alias."""
    bare = re.sub(r"[^A-Za-z0-9]+", "-", f"{folder.resolve().name}-{alias}").strip("-")
    return (bare if bare[:1].isalpha() else f"stack-{bare}")[:128].rstrip("-")


def parameters_of(node: Node, template: Path, what: str) -> Mapping[str, str]:
    """The parameters of a stack, all of which its template declares."""
    given: Mapping[str, Any] = node.object(f"parameters of {what}").value
    declared = section(template, "Parameters")
    for name, text in given.items():
        if name not in declared:
            node.refuse(f"{shown(template)} has no parameter {name!r}. {did_you_mean(name, declared)}", name)
        if not isinstance(text, str):
            node.refuse(f"parameter {name!r} is text, not {named(text)}. Put it in quotes.", name)
    return given


def in_order(top: Node, stacks: tuple[Stack, ...]) -> tuple[Stack, ...]:
    """The stacks in the order in which they can be deployed."""
    try:
        return ordered(stacks)
    except Cycle as cycle:
        message = f"the stacks wait for each other's outputs: {cycle}. Take one of these references out."
        top.refuse(message, "stacks", cycle.aliases[-1], "parameters")


def setup_of(top: Node, accounts: Iterable[str]) -> tuple[Setup, ...]:
    """The setup calls, in the order of the file."""
    what = "an entry of 'setup'"
    out = []
    for node in top["setup"].items("setup") if top.value.get("setup") else ():
        node.object(what, _SETUP, ("account", "service", "operation"))
        account, parameters = _account(node, accounts, what), node.get("parameters", {}).object("parameters").value
        service, operation = node.text_at("service"), node.text_at("operation")
        out.append(Setup(account, service, operation, parameters, node.place, under_variants(node)))
    return tuple(out)


def _account(node: Node, accounts: Iterable[str], what: str) -> str:
    alias = node.text_at("account")
    if alias not in accounts:
        declared = ", ".join(accounts)
        node.refuse(f"{what} is in account {alias!r}, which is not declared. Declared: {declared}.", "account")
    return alias


def under_variants(node: Node) -> tuple[str, ...]:
    """The variants under which an entry exists; none: always."""
    known = node.document.value.get("variants") or {}
    return tuple(entry.one_of(known, "no variant is called") for entry in node.items_at("variants"))
