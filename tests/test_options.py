"""Variants: contracts composed, the space of options, mistakes, and faults that only a combination shows."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from grantproof.aws.parameters import RefusedParameters, pseudo_parameters
from grantproof.aws.space import Option, Space, branch, is_meant, options, places
from grantproof.contract import ContractError, load
from grantproof.source import read
from grantproof.variants import needed, subsets, with_variants

ROOT = Path(__file__).parent.parent
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


def test_conditions_of_several_variants_stand_in_one_statement() -> None:
    reader = with_variants(load(SHIPPED), ["organization", "external-id", "named-principals"]).principal("reader")
    (statement,) = reader.trust
    assert statement.document["Condition"]["StringEquals"] == {
        "aws:PrincipalOrgID": "o-a1b2c3d4e5",
        "sts:ExternalId": "0b6f0c2e-7d0f-4b39",
    }
    assert set(statement.document["Condition"]) == {"StringEquals", "ArnEquals"}


def test_what_a_variant_requires_binds_what_another_adds() -> None:
    reader = with_variants(load(SHIPPED), ["source-identity", "mfa"]).principal("reader")
    assert len(reader.trust) == 2
    assert all("aws:MultiFactorAuthPresent" in s.document["Condition"]["Bool"] for s in reader.trust)


def test_the_order_in_which_variants_are_named_does_not_matter() -> None:
    contract = load(SHIPPED)
    assert with_variants(contract, ["mfa", "organization"]) == with_variants(contract, ["organization", "mfa"])


def test_no_variant_is_the_contract_itself() -> None:
    contract = load(SHIPPED)
    assert with_variants(contract, []).principals == contract.principals


def test_what_a_variant_needs_comes_with_it() -> None:
    contract = load(SHIPPED)
    by_alias = {variant.alias: variant for variant in contract.variants}
    assert needed(contract, by_alias["mfa-age"]) == ("mfa", "mfa-age")
    assert not is_meant([by_alias["mfa-age"]])
    assert not is_meant([by_alias["mfa"], by_alias["external-id"]])
    assert is_meant([by_alias["mfa"], by_alias["mfa-age"]])


def test_two_values_of_one_parameter_are_no_combination(tmp_path: Path) -> None:
    other = "  other-name:\n    parameters: {owner: {RoleName: b}}\n  role-path:\n"
    folder = changed(tmp_path / "grant", ("contract.yaml", "  role-path:\n", other))
    contract = load(folder)
    names = [{v.alias for v in chosen} for chosen in subsets(contract.variants)]
    assert {"role-name"} in names
    assert not any({"role-name", "other-name"} <= chosen for chosen in names)


# --- the space --------------------------------------------------------------------------------------------------------


def test_options_are_what_may_be_left_alone() -> None:
    found = options(read(SHIPPED / "partner.yaml").value)
    assert found == (
        Option("ExternalId", ("",)),
        Option("RequireMfa", ("false", "true")),
        Option("RequireSourceIdentity", ("false", "true")),
    )


def test_a_branch_is_the_truth_of_the_conditions_or_a_refusal() -> None:
    template = read(SHIPPED / "partner.yaml").value
    role = {"RoleArn": "arn:aws:iam::111111111111:role/r"}
    found = branch(template, {**role, "RequireMfa": "true"}, pseudo_parameters(region="us-iso-east-1"))
    assert isinstance(found, dict)
    assert (found["MfaIsRequired"], found["ConsoleIsKnown"], found["UseIsConditional"]) == (True, False, True)
    both = {**role, "RequireMfa": "true", "ExternalId": "x" * 16}
    assert isinstance(branch(template, both, pseudo_parameters()), RefusedParameters)


def test_a_place_is_looked_at_for_each_branch_that_turns_on_it() -> None:
    found = places(load(SHIPPED))
    assert found[0] == "eu-west-1"
    assert len(found) == 2  # where the console's host is known, and where it is not


def test_a_part_is_reached_by_the_variants_that_can_touch_it_through_nested_stacks_and_outputs() -> None:
    parts = {part: {v.alias for v in variants} for part, variants in Space(load(SHIPPED)).parts.items()}
    trust = parts["trust", "owner", "IAMStack", "ReaderRole"]
    assert trust == {"named-principals", "organization", "external-id", "mfa", "mfa-age", "source-identity"}
    assert {"role-name", "role-path"} <= parts["policies", "partner"]  # by the role's ARN
    assert not trust & parts["policies", "owner"]


def test_gatherings_hold_every_variant_and_only_what_goes_together() -> None:
    contract = load(SHIPPED)
    groups = Space(contract).gatherings()
    assert {v.alias for group in groups for v in group} == {v.alias for v in contract.variants}
    assert all(is_meant(group) for group in groups)
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

FAULTS = {
    "a-condition-that-always-holds": (
        "iam.yaml",
        'Action: ssm:DescribeParameters\n                Resource: "*"\n',
        'Action: ssm:DescribeParameters\n                Resource: "*"\n'
        '                Condition: {StringLikeIfExists: {"aws:SourceVpce": "*"}}\n',
        "holds for every request",
    ),
    "the-external-id-only-binds-beside-an-organization": (
        "iam.yaml",
        "TextIsCompared: !Or [{Condition: OrganizationIsNamed}, {Condition: ExternalIdIsRequired}]",
        "TextIsCompared: !And [{Condition: OrganizationIsNamed}, {Condition: ExternalIdIsRequired}]",
        "wider than the contract: sts:AssumeRole",
    ),
    "mfa-if-it-is-there": (
        "iam.yaml",
        "Bool: !If [MfaIsRequired",
        "BoolIfExists: !If [MfaIsRequired",
        "wider than the contract: sts:AssumeRole",
    ),
    "a-person-and-a-machine": (
        "root.yaml",
        '- Assert: !Or\n          - !Equals [!Ref ExternalId, ""]',
        '- Assert: !Or\n          - !Equals ["", ""]',
        "only a nested stack refuses it",
    ),
    "an-option-that-no-variant-sets": (
        "partner.yaml",
        "Parameters:\n  RoleArn:",
        'Parameters:\n  Anybody: {Type: String, Default: "", AllowedPattern: "x?"}\n  RoleArn:',
        "no variant of the contract gives Anybody a value",
    ),
    "a-branch-that-nobody-takes": (
        "partner.yaml",
        "Conditions:\n",
        'Conditions:\n  Never: !Equals [!Ref AWS::AccountId, "000000000000"]\n',
        "condition Never is False under every combination",
    ),
    "every-key-when-there-are-more-parameters": (
        "iam.yaml",
        "Resource: !Ref KmsKeyArn",
        'Resource: !If [MoreAreNamed, "*", !Ref KmsKeyArn]',
        "wider than the contract: kms:Decrypt",
    ),
    "another-partition": (
        "partner.yaml",
        "Resource: !Ref RoleArn",
        'Resource: !If [ConsoleIsKnown, !Ref RoleArn, "*"]',
        "in us-iso-east-1",
    ),
}


@pytest.fixture(scope="session")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What the suite says of each fault, in one run."""
    folder = tmp_path_factory.mktemp("variants")
    for name, (file, old, new, _) in FAULTS.items():
        changed(folder / "grants" / name, (file, old, new))
    command = [sys.executable, "-m", "grantproof.cli", "verify", str(folder / "grants"), "-n", "0"]
    command += [
        "-k",
        "every_combination or every_option or every_condition or load_bearing",
        "--report-dir",
        str(folder),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)  # noqa: S603
    assert done.returncode == 1, done.stdout + done.stderr
    out = dict.fromkeys(FAULTS, "")
    for case in ElementTree.parse(folder / "junit.xml").iter("testcase"):  # noqa: S314 - our own file
        parameters = case.attrib["name"].partition("[")[2]
        for failure in case.iter("failure"):
            out[max((n for n in FAULTS if parameters.startswith(n)), key=len)] += failure.text or ""
    return out


@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.xdist_group("variants")
def test_a_fault_in_a_combination_is_found(name: str, told: dict[str, str]) -> None:
    assert FAULTS[name][3] in told[name], told[name] or "verified"
