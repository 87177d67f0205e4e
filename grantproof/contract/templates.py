"""Which files are templates, and reading one that a contract names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from grantproof.contract.errors import ContractError
from grantproof.source import SourceError, read

TEMPLATE_SUFFIXES = (".yaml", ".yml", ".json", ".template")


#: In bytes. CloudFormation accepts templates of up to 1 MB.
_LARGEST = 1_000_000


def is_template(path: Path) -> bool:
    """Is a file a CloudFormation template, whatever its name? An unreadable file is none."""
    return may_be_template(path) and _is_readable(path)


def may_be_template(path: Path) -> bool:
    """As `is_template`, but also true for unreadable files, since CloudFormation may accept what we refuse."""
    if not path.is_file():
        return False
    named = is_named_as_template(path)
    if not named and (path.stat().st_size > _LARGEST or not _READS_LIKE_ONE.search(path.read_bytes())):
        return False
    try:
        value = read(path).value
    except SourceError:
        return named and b"Resources" in path.read_bytes()
    return isinstance(value, Mapping) and "Resources" in value


def _is_readable(path: Path) -> bool:
    try:
        read(path)
    except SourceError:
        return False
    return True


_READS_LIKE_ONE = re.compile(rb"Resources\W.*AWS::", re.DOTALL)


def is_named_as_template(path: Path) -> bool:
    """Does a file have a template's suffix, so that it is always read as one?"""
    return path.suffix.lower() in TEMPLATE_SUFFIXES


def readable(path: Path) -> Any:
    """The data in a file.

    Raises:
        ContractError: it cannot be read.
    """
    try:
        return read(path).value
    except SourceError as error:
        raise ContractError(error.place, error.message) from None


def template_of(path: Path) -> Mapping[str, Any]:
    """The template in a file that a contract names as one.

    Raises:
        ContractError: it cannot be read, or is no template.
    """
    value = readable(path)
    if not isinstance(value, Mapping) or not isinstance(value.get("Resources"), Mapping):
        raise ContractError(path, "is not a CloudFormation template: it has no Resources.")
    return value


def section(path: Path, name: str) -> Mapping[str, Any]:
    """A section of a template, empty where it has none.

    Raises:
        ContractError: see `template_of`; or the section or an entry of it is no object. Loops are lists.
    """
    found = template_of(path).get(name) or {}
    if not isinstance(found, Mapping):
        raise ContractError(read(path).place(name), f"{name} of a template is an object.")
    for key, entry in found.items():
        if not isinstance(entry, Mapping) and not str(key).startswith("Fn::"):
            raise ContractError(read(path).place(name, key), f"{key} under {name} of a template is an object.")
    return found
