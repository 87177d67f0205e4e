"""Mutants in branches that only variants deploy are judged under the variants."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from grantproof.aws.mocked.deployment import Resource
from grantproof.aws.synthesis.stacks import synthesise
from grantproof.aws.synthesis.synthesised import Synthesised
from grantproof.contract import load
from grantproof.mutants.branch_judge import BranchJudge
from grantproof.mutants.cases import hold_the_same
from grantproof.mutants.catalogue import chosen, operators
from grantproof.mutants.deployed_access import PERMISSIONS
from grantproof.mutants.equivalence import gives_same_access
from grantproof.mutants.mutant import Mutant, mutants
from grantproof.source import read
from grantproof.variants import with_variants

ROOT = Path(__file__).parent.parent.parent
GRANT = ROOT / "templates" / "many-partners"
PARAMETER = ROOT / "templates" / "cross-account-ssm"


@pytest.fixture(scope="module")
def branches() -> BranchJudge:
    return BranchJudge(load(GRANT))


@pytest.fixture(scope="module")
def found() -> tuple[Mutant, ...]:
    return tuple(mutants(load(GRANT), operators()))


def in_a_resource_that_is_not_deployed(mutant: Mutant) -> bool:
    return "Third" in "".join(map(str, mutant.site)) and mutant.site[0] == "Resources"


def test_a_mutant_of_a_resource_whose_condition_is_false_is_killed_in_its_branch(
    branches: BranchJudge, found: tuple[Mutant, ...]
) -> None:
    names = ("action-*", "principal-everybody", "resource-everything", "condition-dropped")
    these = [m for m in found if in_a_resource_that_is_not_deployed(m) and m.operator.name in names]
    assert these
    for mutant in these:
        result = branches.judge(mutant)
        assert result.verdict == "killed", str(result)
        owner = read(mutant.template).lines(*mutant.site[:2])
        assert any(int(finding.place.split(":")[1]) in owner for finding in result.findings), str(result)


def test_a_mutant_that_changes_nothing_under_any_combination_is_equivalent(
    branches: BranchJudge, found: tuple[Mutant, ...]
) -> None:
    these = [m for m in found if m.operator.name in ("statements-twice", "action-in-another-case")]
    assert len(these) > 3
    assert {branches.judge(mutant).verdict for mutant in these} == {"equivalent"}


def test_no_mutant_that_only_variants_show_survives(branches: BranchJudge, found: tuple[Mutant, ...]) -> None:
    these = [m for m in found if in_a_resource_that_is_not_deployed(m)]
    results = [branches.judge(mutant) for mutant in these[::3]]
    assert [str(r) for r in results if r.verdict not in ("killed", "equivalent", "invalid")] == []
    assert sum(result.verdict == "killed" for result in results) > len(results) / 2


@pytest.mark.parametrize(
    "fault",
    [
        # Its statement names a policy variable in some combinations only.
        "version-2008 partner.yaml[1]",
        # A boundary hides it, which some combinations have.
        "action-one-list-more iam.yaml[3]",
        # Another statement than the one that is touched lets it through in some.
        "action-everything iam.yaml[5]",
    ],
)
def test_a_fault_hidden_in_one_combination_is_found_in_another(of_parameter: BranchJudge, fault: str) -> None:
    name = fault.partition(" ")[0]
    (mutant,) = (m for m in mutants(load(PARAMETER), chosen([name])) if m.id == fault)
    result = of_parameter.judge(mutant)
    assert result.verdict == "killed", str(result)


@pytest.fixture(scope="module")
def of_parameter() -> BranchJudge:
    return BranchJudge(load(PARAMETER))


def of(grant: Path, id_: str) -> Mutant:
    (mutant,) = (m for m in mutants(load(grant), chosen([id_.partition(" ")[0]])) if m.id == id_)
    return mutant


def test_a_branch_that_no_combination_takes_is_not_called_equivalent(of_parameter: BranchJudge) -> None:
    """A key is only used with a parameter that is a path in every variant; other values were not examined."""
    result = of_parameter.judge(of(PARAMETER, "branch-second-everything iam.yaml[4]"))
    assert (result.verdict, result.why) == ("dormant", "nothing of what the contract speaks of takes this branch")


@pytest.mark.parametrize("fault", ["principal-another-partition key.yaml[1]", "sub-partition-written-out iam.yaml[1]"])
def test_a_principal_of_another_partition_is_invalid(of_parameter: BranchJudge, fault: str) -> None:
    """AWS refuses such a principal, so it does not count as access."""
    result = of_parameter.judge(of(PARAMETER, fault))
    assert result.verdict == "killed", str(result)
    assert "Invalid principal" in result.findings[0].detail


def test_a_removed_rule_allows_a_combination_that_the_contract_excludes(of_parameter: BranchJudge) -> None:
    result = of_parameter.judge(of(PARAMETER, "rules-removed root.yaml[1]"))
    assert result.verdict == "killed", str(result)


def test_a_mutant_that_aws_refuses_without_variants_is_judged_under_them(branches: BranchJudge) -> None:
    """The role has a condition; if it is true, the added profile can be deployed."""
    result = branches.judge(
        of(GRANT, "instance-profile-more owner.yaml[3]"), refused="Unresolved resource dependencies"
    )
    assert result.verdict == "killed", str(result)
    assert "ExtraProfile (AWS::IAM::InstanceProfile) comes with it, and whom it lets in is not known" in str(result)


# --- what is as it is without the fault -----------------------------------------------------------------------------


def synthesised(grant: Path, *variants: str) -> Synthesised:
    contract = with_variants(load(grant), variants)
    return Synthesised(contract, synthesise(contract))


def test_two_combinations_are_alike_if_the_suites_see_the_same(of_parameter: BranchJudge) -> None:
    (aliases, *others) = [[v.alias for v in case.chosen] for case in of_parameter.cases.every[:40:8]]
    assert hold_the_same(synthesised(PARAMETER, *aliases), synthesised(PARAMETER, *aliases))
    for variants in others:
        assert not hold_the_same(synthesised(PARAMETER, *aliases), synthesised(PARAMETER, *variants)), variants


def but_for(what: str, found: Synthesised) -> Synthesised:
    """The same with one thing changed."""
    snapshots, stacks = found._synthesis.snapshots, found.deployment.stacks
    number, snapshot = next((number, snapshot) for number, snapshot in snapshots.items() if snapshot.roles)
    (stack, *more), resources = stacks, stacks[0].resources
    deployment, synthesis = found.deployment, found._synthesis
    if what in ("MaxSessionDuration", "AssumeRolePolicyDocument", "RolePolicyList"):
        value: Any = {
            "MaxSessionDuration": 7200,
            "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": []},
            "RolePolicyList": [],
        }[what]
        roles = tuple({**role, what: value} for role in snapshot.roles)
        synthesis = replace(synthesis, snapshots={**snapshots, number: replace(snapshot, roles=roles)})
    elif what == "resource policies":
        gone = {n: replace(s, resource_policies=()) for n, s in snapshots.items()}
        synthesis = replace(synthesis, snapshots=gone)
    elif what == "facts":
        deployment = replace(deployment, facts=deployment.facts.with_values({"stacks.x.outputs.Y": "z"}))
    else:
        changed = {
            "a resource": resources[1:],
            "what it is called": (replace(resources[0], physical_id="other"), *resources[1:]),
            "how it lets in": (*resources, profile("one")),
        }[what]
        deployment = replace(deployment, stacks=(replace(stack, resources=changed), *more))
    return Synthesised(found.contract, replace(synthesis, deployment=deployment))


def profile(role: str) -> Resource:
    return Resource(("P",), "AWS::IAM::InstanceProfile", "p", "owner", None, {}, {"Roles": [role]})


def test_parameters_of_a_nested_stack_are_no_difference_unless_they_disclose_a_secret() -> None:
    """Their effects on the nested stack are compared separately."""
    one, others = synthesised(PARAMETER), []
    for given in ("more", "{{resolve:secretsmanager:s:SecretString:p}}"):
        found = one.deployment
        (stack, *more) = found.stacks
        resources = tuple(
            replace(r, properties={**r.properties, "Parameters": {**r.properties["Parameters"], "Note": given}})
            if r.type == "AWS::CloudFormation::Stack"
            else r
            for r in stack.resources
        )
        assert resources != stack.resources
        deployment = replace(found, stacks=(replace(stack, resources=resources), *more))
        others.append(Synthesised(one.contract, replace(one._synthesis, deployment=deployment)))
    assert [hold_the_same(one, other) for other in others] == [True, False]


@pytest.mark.parametrize(
    "what",
    [
        "MaxSessionDuration",
        "AssumeRolePolicyDocument",
        "RolePolicyList",
        "resource policies",
        "facts",
        "a resource",
        "what it is called",
        "how it lets in",
    ],
)
def test_two_combinations_that_differ_in_one_thing_are_not_alike(what: str) -> None:
    """Otherwise the result of one combination would be used for the other."""
    grant = ROOT / "templates" / "cross-account-secret"
    one, other = synthesised(grant), synthesised(grant)
    assert hold_the_same(one, other)
    assert not hold_the_same(one, but_for(what, other))


# --- documents --------------------------------------------------------------------------------------------------------


def allow(action: Any, **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": "*", **more}


def document(*statements: Any, version: str = "2012-10-17") -> dict[str, Any]:
    return {"Version": version, "Statement": list(statements)}


ASKED = {"Condition": {"StringEquals": {"aws:PrincipalTag/team": "data"}}}
DENIED = {**allow("s3:PutObject"), "Effect": "Deny"}


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        (document(allow("s3:Get*")), document({**allow("s3:get*"), "Sid": "One"}), True),
        (document(allow("s3:GetObject", **ASKED)), document(allow(["s3:GetObject", "s3:getobject"], **ASKED)), True),
        (document(allow("s3:GetObject"), DENIED), document(DENIED, allow("s3:GetObject")), True),
        (document(allow("s3:GetObject")), document(allow("s3:GetObject", **ASKED)), False),
        (document(allow("s3:GetObject"), allow("s3:PutObject", **ASKED)), document(allow("s3:GetObject")), False),
        # Here a Deny takes nothing away; beside another policy it would.
        (document(allow("s3:GetObject"), DENIED), document(allow("s3:GetObject")), False),
        (document(allow("s3:GetObject")), document({"Effect": "Allow", "Action": 1, "Resource": "*"}), False),
        (document(allow("s3:*")), document(allow("s3:*", Resource="arn:aws-cn:s3:::a")), False),
    ],
    ids=str,
)
def test_documents_are_the_same_only_if_they_give_the_same_access(old: Any, new: Any, same: bool) -> None:
    assert gives_same_access(old, new, "AWS::IAM::ManagedPolicy", PERMISSIONS, "111111111111") is same
    assert gives_same_access(new, old, "AWS::IAM::ManagedPolicy", PERMISSIONS, "111111111111") is same
