"""Reads exports of real accounts: output of the AWS CLI, joined to one snapshot, or rejected.

A file contains one or several concatenated JSON documents; a folder contains such files, read in order of name.
Documents are recognised by their keys:

    UserDetailList ...      aws iam get-account-authorization-details, whole or page by page
    Roles                   aws iam list-roles: MaxSessionDuration, which the first one lacks
    Stacks                  aws cloudformation describe-stacks: outputs, which the contract refers to, and parameters
    StackResources          aws cloudformation describe-stack-resources, of each stack and each nested one
    ResourcePolicies        [{"Arn", "Type", "Account", "Policy"}], and the services that were read, under Services
    Account                 aws sts get-caller-identity

An incomplete snapshot is rejected: a policy that does not exist cannot be told from one that was left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path

from grantproof.aws.real.export_parts import DECODER, DuplicateKey, Export, ExportRefused, Part, RecordedStack, join

__all__ = ["Export", "ExportRefused", "RecordedStack", "by_alias", "join", "named", "read_export"]


def by_alias(pairs: Iterable[str], what: str) -> dict[str, str]:
    """The values of `ALIAS=VALUE` arguments, by alias; `what` names the value in error messages.

    Raises:
        ExportRefused: an argument is not of this form, or an alias is given twice.
    """
    out: dict[str, str] = {}
    for pair in pairs:
        alias, equals, value = pair.partition("=")
        if not (alias and equals and value):
            raise ExportRefused(Path(pair), f"is not ALIAS={what}. The alias is that of an account in the contract.")
        if alias in out:
            raise ExportRefused(Path(value), f"{alias!r} is given twice. One {what} for each account.")
        out[alias] = value
    return out


def named(pairs: Iterable[str]) -> dict[str, Path]:
    """The files of `ALIAS=FILE` arguments, by alias.

    Raises:
        ExportRefused: as `by_alias`, or there is no such file.
    """
    out = {alias: Path(name) for alias, name in by_alias(pairs, "FILE").items()}
    for path in out.values():
        if not path.exists():
            raise ExportRefused(path, "does not exist. Name a file, or a folder of files, of what the AWS CLI prints.")
    return out


def read_export(path: Path) -> Export:
    """Read the export of one account from a file or folder.

    Raises:
        ExportRefused: it is cut off, lacks a part, contradicts itself, or is not JSON of a known shape.
    """
    try:
        stamps = tuple((file, file.stat().st_mtime_ns, file.stat().st_size) for file in _files(path))
    except OSError as error:
        raise ExportRefused(path, f"cannot be read: {error.strerror}.") from None
    return _read(path, stamps)


@lru_cache(maxsize=8)
def _read(path: Path, stamps: tuple[tuple[Path, int, int], ...]) -> Export:
    """Cached: several grants may use the same account. `stamps` make a changed file be read again."""
    return join(path, _documents([file for file, _, _ in stamps]))


# --- from files to documents -----------------------------------------------------------------------------------------


def _files(path: Path) -> list[Path]:
    files = sorted(path.glob("*.json")) if path.is_dir() else [path]
    if not files:
        raise ExportRefused(path, "holds no *.json file. Put what the AWS CLI prints there.")
    return files


def _documents(files: Iterable[Path]) -> Iterator[Part]:
    for file in files:
        try:
            text = file.read_text(encoding="utf-8-sig")
        except OSError as error:
            raise ExportRefused(file, f"cannot be read: {error.strerror}.") from None
        except UnicodeDecodeError:
            raise ExportRefused(file, "is not UTF-8 text; write it again with --output json.") from None
        yield from _parsed(text, file)


def _parsed(text: str, file: Path) -> Iterator[Part]:
    position = _blank(text, 0)
    if position == len(text):
        raise ExportRefused(file, "is empty: the command that wrote it failed.")
    while position < len(text):
        try:
            value, position = DECODER.raw_decode(text, position)
        except DuplicateKey as error:
            raise ExportRefused(file, f"the key {str(error)!r} stands twice in one object.") from None
        except (ValueError, RecursionError) as error:
            where = text.count("\n", 0, getattr(error, "pos", position)) + 1
            raise ExportRefused(
                file, f"is not JSON from line {where} on: cut off, or not written with --output json."
            ) from None
        position = _blank(text, position)
        for document in value if isinstance(value, list) else [value]:
            if not isinstance(document, dict):
                raise ExportRefused(file, f"holds {type(document).__name__} where an answer of AWS stands, an object.")
            yield document


def _blank(text: str, position: int) -> int:
    found = re.compile(r"\s*").match(text, position)
    return found.end() if found else position
