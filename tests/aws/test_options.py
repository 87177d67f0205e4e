"""Variants: composing contracts, the space of options, mistakes, and faults that only a combination shows."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from grantproof.aws.combinations.dependencies import Part
from grantproof.aws.combinations.regions_to_check import regions_to_check
from grantproof.aws.combinations.space import Space, meets_requirements
from grantproof.aws.synthesis.stacks import Refused, Synthesis
from grantproof.aws.synthesis.synthesised import Synthesised
from grantproof.aws.templates.options import Option, options
from grantproof.contract import Contract, ContractError, load
from grantproof.evidence.notes import Notes
from grantproof.source import read
from grantproof.variants import needed, subsets, with_variants
from tests.suite import suite_of

ROOT = Path(__file__).parent.parent.parent
SHIPPED = ROOT / "templates" / "cross-account-ssm"


def changed(folder: Path, *changes: tuple[str, str, str]) -> Path:
    """A copy of the shipped grant with texts replaced: (file, from, to)."""
    shutil.copytree(SHIPPED, folder)
    for file, old, new in changes:
        text = (folder / file).read_text(encoding="utf-8")
        assert old in text, f"{file} no longer holds {old!r}"
        (folder / file).write_text(text.replace(old, new), encoding="utf-8")
    return folder


# --- composing --------------------------------------------------------------------------------------------------------


def test_conditions_of_several_variants_are_combined_in_one_statement() -> None:
    reader = with_variants(load(SHIPPED), ["organization", "external-id", "named-principals"]).principal("reader")
    (statement,) = reader.trust
    assert statement.document["Condition"]["StringEquals"] == {
        "aws:PrincipalOrgID": "o-a1b2c3d4e5",
        "sts:ExternalId": "0b6f0c2e-7d0f-4b39",
    }
    assert set(statement.document["Condition"]) == {"StringEquals", "ArnEquals"}


def test_conditions_required_by_one_variant_apply_to_statements_of_another() -> None:
    reader = with_variants(load(SHIPPED), ["source-identity", "mfa"]).principal("reader")
    assert len(reader.trust) == 2
    assert all("aws:MultiFactorAuthPresent" in s.document["Condition"]["Bool"] for s in reader.trust)


def test_the_order_in_which_variants_are_named_does_not_matter() -> None:
    contract = load(SHIPPED)
    assert with_variants(contract, ["mfa", "organization"]) == with_variants(contract, ["organization", "mfa"])


def test_without_variants_the_contract_is_unchanged() -> None:
    contract = load(SHIPPED)
    assert with_variants(contract, []).principals == contract.principals


def test_a_variant_brings_the_variants_that_it_needs() -> None:
    contract = load(SHIPPED)
    by_alias = {variant.alias: variant for variant in contract.variants}
    assert needed(contract, by_alias["mfa-age"]) == ("mfa", "mfa-age")
    assert not meets_requirements([by_alias["mfa-age"]])
    assert not meets_requirements([by_alias["mfa"], by_alias["external-id"]])
    assert meets_requirements([by_alias["mfa"], by_alias["mfa-age"]])


def test_variants_with_two_values_of_one_parameter_cannot_be_combined(tmp_path: Path) -> None:
    other = "  other-name:\n    parameters: {owner: {RoleName: b}}\n  role-path:\n"
    folder = changed(tmp_path / "grant", ("contract.yaml", "  role-path:\n", other))
    contract = load(folder)
    names = [{v.alias for v in chosen} for chosen in subsets(contract.variants)]
    assert {"role-name"} in names
    assert not any({"role-name", "other-name"} <= chosen for chosen in names)


# --- the space --------------------------------------------------------------------------------------------------------


def test_options_are_parameters_that_can_be_left_at_their_default() -> None:
    found = options(read(SHIPPED / "partner.yaml").value)
    assert found == (
        Option("ExternalId", ("",)),
        Option("RequireMfa", ("false", "true")),
        Option("RequireSourceIdentity", ("false", "true")),
        Option("SessionProject", ("",)),
    )


def test_a_combination_has_condition_values_or_a_refusal() -> None:
    contract = load(SHIPPED)
    space = Space(contract)
    by_alias = {variant.alias: variant for variant in contract.variants}
    found = space.synthesised([by_alias["mfa"]], "us-iso-east-1")
    assert isinstance(found, Synthesis)
    truths = found.conditions[("partner",)]
    assert (truths["MfaIsRequired"], truths["ConsoleIsKnown"], truths["UseIsConditional"]) == (True, False, True)
    assert isinstance(space.synthesised([by_alias["mfa"], by_alias["external-id"]], "eu-west-1"), Refused)


def test_a_region_is_checked_for_each_branch_that_depends_on_it() -> None:
    found = regions_to_check(load(SHIPPED))
    assert found[0] == "eu-west-1"
    assert len(found) == 2  # where the console's host is known, and where it is not


def test_a_part_depends_on_variants_through_nested_stacks_and_outputs() -> None:
    parts = {part: {v.alias for v in variants} for part, variants in Space(load(SHIPPED)).parts.items()}
    trust = parts["trust", "owner", "IAMStack", "ReaderRole"]
    assert trust == {
        "named-principals",
        "organization",
        "external-id",
        "mfa",
        "mfa-age",
        "source-identity",
        "session-tag",
    }
    assert {"role-name", "role-path"} <= parts["policies", "partner"]  # by the role's ARN
    assert not trust & parts["policies", "owner"]


def test_covering_combinations_contain_every_variant_and_are_all_possible() -> None:
    contract = load(SHIPPED)
    groups = Space(contract).covering_combinations()
    assert {v.alias for group in groups for v in group} == {v.alias for v in contract.variants}
    assert all(meets_requirements(group) for group in groups)
    assert len(groups) == 2


# --- mistakes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("excludes: [mfa, source-identity]", "excludes: [mfaa]", "variant is called 'mfaa'. Did you mean 'mfa'?"),
        ("needs: [mfa]", "needs: [mfa-age]", "no other variant is called 'mfa-age'"),
        ("drops: [TheParameter]", "drops: [ThePrameter]", "no statement has the Sid 'ThePrameter'. Did you mean"),
        ("owner: {OrganizationId: o-", "ownr: {OrganizationId: o-", "no stack is called 'ownr'. Did you mean 'owner'?"),
        ("{OrganizationId: o-", "{OrganisationId: o-", "no parameter 'OrganisationId'. Did you mean"),
        ('{MaxSessionDuration: "7200"}', "{MaxSessionDuration: 7200}", "parameter 'MaxSessionDuration' is text"),
        ("max_session: 7200", "max_session: 60", "max_session is 60; it is 3600 to 43200 seconds"),
        ("reader: {boundary: boundary}", "readr: {boundary: boundary}", "no principal is called 'readr'"),
        ("requires: {\"Null\":", "requires: {\"Nul\":", "not IAM's grammar: 'Nul' is not a condition"),
        ("variants: [more-parameters]", "variants: [more-parameter]", "no variant is called 'more-parameter'"),
        ("operation: PutParameter", "verb: PutParameter", "an entry of 'setup' has no key 'verb'"),
        ("arn: ${stacks.key.outputs.KeyArn}", "arn: ${stacks.key.outputs.Arn}", "nothing is called ${stacks.key"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_variant_gives_its_one_error(tmp_path: Path, old: str, new: str, says: str) -> None:
    folder = changed(tmp_path / "grant", ("contract.yaml", old, new))
    with pytest.raises(ContractError) as error:
        load(folder)
    assert says in str(error.value)
    assert f"{folder / 'contract.yaml'}:" in str(error.value)


# --- faults that a combination shows ----------------------------------------------------------------------------------

#: File, text, text in its place, what is said, by which function of the suite, of which part.
FAULTS: dict[str, tuple[str, str, str, str, str, Part | None]] = {
    "a-condition-that-always-holds": (
        "iam.yaml",
        'Action: ssm:DescribeParameters\n                Resource: "*"\n',
        'Action: ssm:DescribeParameters\n                Resource: "*"\n'
        '                Condition: {StringLikeIfExists: {"aws:SourceVpce": "*"}}\n',
        "holds for every request",
        "every_condition_is_load_bearing",
        None,
    ),
    "the-external-id-only-binds-beside-an-organization": (
        "iam.yaml",
        "TextIsCompared: !Or\n    - Condition: OrganizationIsNamed",
        "TextIsCompared: !And\n    - Condition: OrganizationIsNamed",
        "wider than the contract: sts:AssumeRole",
        "a_part_is_what_the_contract_says_in_every_combination",
        ("trust", "owner", "IAMStack", "ReaderRole"),
    ),
    "mfa-if-it-is-there": (
        "iam.yaml",
        "Bool: !If [MfaIsRequired",
        "BoolIfExists: !If [MfaIsRequired",
        "wider than the contract: sts:AssumeRole",
        "a_part_is_what_the_contract_says_in_every_combination",
        ("trust", "owner", "IAMStack", "ReaderRole"),
    ),
    "a-person-and-a-machine": (
        "root.yaml",
        '- Assert: !Or\n          - !Equals [!Ref ExternalId, ""]',
        '- Assert: !Or\n          - !Equals ["", ""]',
        "only a nested stack refuses it",
        "a_part_is_what_the_contract_says_in_every_combination",
        ("trust", "owner", "IAMStack", "ReaderRole"),
    ),
    "a-rule-that-refuses-nothing": (
        "partner.yaml",
        '- Assert: !Or\n          - !Equals [!Ref ExternalId, ""]',
        '- Assert: !Or\n          - !Equals ["", ""]',
        "no values of its parameters were found that rule APersonOrAMachine refuses",
        "every_rule_refuses_something",
        None,
    ),
    "an-option-that-no-variant-sets": (
        "partner.yaml",
        "Parameters:\n  RoleArn:",
        'Parameters:\n  Anybody: {Type: String, Default: "", AllowedPattern: "x?"}\n  RoleArn:',
        "no variant of the contract gives Anybody a value",
        "every_option_has_a_variant",
        None,
    ),
    "a-branch-that-nobody-takes": (
        "partner.yaml",
        "Conditions:\n",
        'Conditions:\n  Never: !Equals [!Ref AWS::AccountId, "000000000000"]\n',
        "condition Never is False under every combination",
        "every_condition_is_seen_true_and_false",
        None,
    ),
    "every-key-when-there-are-more-parameters": (
        "iam.yaml",
        "Resource: !Ref KmsKeyArn",
        'Resource: !If [MoreAreNamed, "*", !Ref KmsKeyArn]',
        "wider than the contract: kms:Decrypt",
        "a_part_is_what_the_contract_says_in_every_combination",
        ("policies", "owner"),
    ),
    "a-share-under-an-option": (
        "iam.yaml",
        "Resources:\n",
        "Resources:\n  Share: {Type: AWS::RAM::ResourceShare, Condition: OrganizationIsNamed, Properties: {Name: s}}\n",
        "owner/IAMStack/Share (AWS::RAM::ResourceShare) comes with it, and whom it lets in is not known",
        "a_part_is_what_the_contract_says_in_every_combination",
        ("policies", "owner"),
    ),
    "another-partition": (
        "partner.yaml",
        "Resource: !Ref RoleArn",
        'Resource: !If [ConsoleIsKnown, !Ref RoleArn, "*"]',
        "in us-iso-east-1",
        "a_part_is_what_the_contract_says_in_every_combination",
        ("policies", "partner"),
    ),
}


@pytest.fixture(scope="module")
def suite() -> ModuleType:
    """The suite `variants`, whose functions are called as pytest does."""
    return suite_of("variants")


def said(suite: ModuleType, contract: Contract, function: str, part: Part | None) -> list[str]:
    """The findings of one function of the suite about a contract."""
    told = Notes()
    test = getattr(suite, f"test_{function}")
    if part is not None:
        # Of all variants that touch a part, these are enough to show the faults, and to be alone with each of them.
        few = tuple(
            v for v in contract.variants if v.alias in ("organization", "external-id", "mfa", "more-parameters", "key")
        )
        space = Space(replace(contract, variants=few))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(suite, "space_of", lambda _: space)
            test(contract, part, told)
    elif "world" in test.__code__.co_varnames[: test.__code__.co_argcount]:
        test(contract, Synthesised(contract, Space(contract).base), told)
    else:
        test(contract, True, told)
    return [finding.detail for finding in told.findings]


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_in_a_combination_is_found(name: str, suite: ModuleType, tmp_path: Path) -> None:
    file, old, new, expected, function, part = FAULTS[name]
    contract = load(changed(tmp_path / "grant", (file, old, new)))
    found = said(suite, contract, function, part)
    assert any(expected in detail for detail in found), found or "verified"


def test_without_a_fault_there_is_no_finding(suite: ModuleType) -> None:
    contract = load(SHIPPED)
    for function, part in {(fault[4], fault[5]) for fault in FAULTS.values()}:
        assert said(suite, contract, function, part) == []
