"""The description in words of what options of templates change covers everything that a variant can change."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from grantproof.contract import Change, PrincipalChange, load
from grantproof.evidence.options import Option, options

TEMPLATES = Path(__file__).parent.parent.parent / "templates"


def of(grant: str, alias: str) -> Option:
    (found,) = [o for o in options(load(TEMPLATES / grant), lambda value: value) if o.alias == alias]
    return found


def said(option: Option) -> list[str]:
    return [clause.sentence for clause in option.changes]


def test_added_conditions_and_added_and_removed_statements_are_described() -> None:
    assert "The trust policy of role reader: everything holds only if aws:MultiFactorAuthPresent is true." in said(
        of("cross-account-ssm", "mfa")
    )
    existing = said(of("cross-account-ssm", "existing-parameter"))
    assert existing[0] == "What role reader may do: TheParameter goes."
    assert existing[1].startswith("Role reader may call ssm:GetParameter on ")


def test_a_role_that_only_an_option_creates_is_described_with_who_may_assume_it() -> None:
    third = said(of("many-partners", "third"))
    assert "Role third-reader is created." in third
    assert any(
        sentence.endswith("on role third-reader, if sts:ExternalId is third-7be41f60-93aa.") for sentence in third
    )


def test_the_parameters_that_choose_an_option_and_what_it_requires_are_described() -> None:
    option = of("cross-account-ssm", "external-id")
    assert option.parameters[0] == "owner: ExternalId=0b6f0c2e-7d0f-4b39"
    assert option.excludes == ("mfa", "source-identity")
    file, line, _ = option.place.rsplit(":", 2)
    assert Path(file).read_text(encoding="utf-8").splitlines()[int(line) - 1] == "  external-id:"


def test_every_field_that_a_variant_can_change_is_described() -> None:
    contract = load(TEMPLATES / "cross-account-ssm")
    change = PrincipalChange(Change(("a",)), Change(("b",)), 7200, "", ("readers",))
    variant = replace(
        contract.variants[0], changes={"reader": change}, resources={"key": Change(("c",))}, absent=("readers",)
    )
    (option,) = options(replace(contract, variants=(variant,)), lambda value: value)
    assert said(option) == [
        "The trust policy of role reader: a goes.",
        "What role reader may do: b goes.",
        "Sessions of role reader last 7200 seconds at most.",
        "The permissions boundary of role reader is none.",
        "Role reader is entered by readers.",
        "The policy of key: c goes.",
        "Group readers is not created.",
    ]
