"""Contracts: what a grant promises, read from `contract.yaml` and checked against its templates.

A contract is written apart from the templates, so that the two can disagree. Everything that is wrong with one is a
`ContractError`, which names file, line and next step; nothing is guessed.

Reading order: docs/architecture.md.
"""

from grantproof.contract.declared import (
    Additions,
    AwsPolicy,
    Change,
    Contract,
    DeclaredPrincipal,
    DeclaredResource,
    DeclaredSending,
    DeclaredStatement,
    PrincipalChange,
    Setup,
    Stack,
    Upload,
    Variant,
)
from grantproof.contract.errors import ContractError
from grantproof.contract.loading import find, load
from grantproof.contract.order import Cycle, ordered
from grantproof.contract.references import Facts, UnknownFact, facts_of, references, resolve
from grantproof.contract.templates import TEMPLATE_SUFFIXES

__all__ = [
    "TEMPLATE_SUFFIXES",
    "Additions",
    "AwsPolicy",
    "Change",
    "Contract",
    "ContractError",
    "Cycle",
    "DeclaredPrincipal",
    "DeclaredResource",
    "DeclaredSending",
    "DeclaredStatement",
    "Facts",
    "PrincipalChange",
    "Setup",
    "Stack",
    "UnknownFact",
    "Upload",
    "Variant",
    "facts_of",
    "find",
    "load",
    "ordered",
    "references",
    "resolve",
]
