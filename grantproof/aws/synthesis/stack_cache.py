"""A cache of synthesised stacks: most combinations of a grant give most stacks the same parameters, and a mutant
changes only one template."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from grantproof.aws.synthesis.made_account import MadeAccount
from grantproof.aws.templates.scope import Scope
from grantproof.contract import TEMPLATE_SUFFIXES, Contract
from grantproof.source import Document, SourceError, read

if TYPE_CHECKING:
    from grantproof.aws.synthesis.made_stack import MadeStack, Refused


@dataclass(frozen=True)
class CachedStack:
    """A synthesised stack, and what it added.

    Attributes:
        account: what it and its nested stacks added to their account.
        conditions, scopes: those of the stack and its nested stacks, see `Synthesis`.
    """

    stack: MadeStack
    account: MadeAccount
    conditions: Mapping[tuple[str, ...], dict[str, bool]]
    scopes: Mapping[tuple[str, ...], Scope]


@dataclass
class StackCache:
    """Synthesised stacks of one contract and its variants, with the same physical IDs.

    The result of a stack depends only on its template, name, place and parameters, and on the files of nested stacks. A
    stack that uses something that another stack created is not cached.

    Attributes:
        under: another cache, which is read but not written.
        stacks: by `key_of`, the stack, or the refusal of one that CloudFormation refuses.
    """

    under: StackCache | None = None
    stacks: dict[Hashable, CachedStack | Refused] = field(default_factory=dict)

    def get(self, key: Hashable) -> CachedStack | Refused | None:
        """The cached stack for a key of `key_of`; None where there is none."""
        found = self.stacks.get(key)
        return found if found is not None or self.under is None else self.under.get(key)


def key_of(
    contract: Contract, path: tuple[str, ...], account: str, name: str, template: Path, given: Mapping[str, str]
) -> Hashable:
    """Everything on which a stack depends, except what other stacks have created, and the contract's uploads, which no
    variant changes. Documents are compared by identity: a file that was read again is another document."""
    document = read(template)
    documents: tuple[Document | None, ...] = (document,)
    if _nests(document):
        documents += tuple(_read(file) for upload in contract.uploads for file in upload.files)
    return path, account, contract.region, name, template, tuple(sorted(given.items())), documents


def _read(file: Path) -> Document | None:
    """The document of a file; None for a file that is no template, which does not change."""
    if file.suffix.lower() in TEMPLATE_SUFFIXES:
        with suppress(SourceError):
            return read(file)
    return None


@lru_cache(maxsize=256)
def _nests(document: Document) -> bool:
    return "AWS::CloudFormation::Stack" in str(document.value)
