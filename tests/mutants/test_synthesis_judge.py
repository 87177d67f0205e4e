"""Mutants judged by synthesis: it equals a deployment, and gives the same verdict."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from grantproof.aws.staged.stage import Stage
from grantproof.aws.synthesis.stacks import synthesise
from grantproof.aws.synthesis.synthesised import Synthesised
from grantproof.contract import Contract, ContractError, find, load
from grantproof.mutants.baseline import Baseline, check_contract
from grantproof.mutants.catalogue import chosen, operators
from grantproof.mutants.deployed_access import BOUNDARY, PERMISSIONS, TAGS, Access, EntityAccess, access
from grantproof.mutants.engine import Engine, run
from grantproof.mutants.equivalence import difference
from grantproof.mutants.mutant import mutants
from grantproof.mutants.synthesis_judge import SynthesisJudge
from grantproof.source import overlay, read
from grantproof.verbs.suites import folder

ROOT = Path(__file__).parent.parent.parent
GRANTS = [*find(ROOT / "templates"), *find(ROOT / "fixtures" / "mutants" / "grants")]


@pytest.mark.parametrize("contract", GRANTS, ids=lambda contract: contract.grant)
def test_the_synthesis_of_a_grant_equals_its_deployment(contract: Contract) -> None:
    """Otherwise all of its mutants would be deployed, which is correct but ten times slower."""
    with opened(contract) as stage:
        assert SynthesisJudge.of_baseline(Baseline.of_deployment(stage)) is not None


def test_a_grant_whose_synthesis_differs_is_judged_by_deployment() -> None:
    contract = load(ROOT / "fixtures" / "broken" / "good")
    with opened(load(ROOT / "fixtures" / "mutants" / "grants" / "conditions")) as stage:
        assert (
            SynthesisJudge.of_baseline(replace(Baseline.of_deployment(stage), contract=contract, physical={})) is None
        )


@contextmanager
def opened(contract: Contract) -> Iterator[Stage]:
    stage = Stage(contract)
    stage.open()
    try:
        yield stage
    finally:
        stage.close()


@pytest.mark.parametrize("name", ["cross-account-s3-read", "cross-account-secret"])
def test_two_deployments_of_a_grant_are_equal(name: str) -> None:
    """Although the names of keys and secrets differ each time."""
    held = []
    for _ in range(2):
        with opened(load(ROOT / "templates" / name)) as stage:
            held.append(access(stage))
    assert difference(*held) == ""
    assert held[0].entities.keys() == held[1].entities.keys()


def test_naming_the_own_account_in_a_bucket_policy_changes_no_access() -> None:
    contract = load(ROOT / "templates" / "cross-account-s3-read")
    before = access(Synthesised(contract, synthesise(contract)))
    verdicts = {}
    for mutant in mutants(contract, chosen(["principal-own-account-more", "principal-one-account-more"])):
        with overlay({mutant.template: mutant.text}):
            found = difference(before, access(Synthesised(contract, synthesise(contract))))
        verdicts[mutant.id] = found == ""
    assert verdicts == {
        "principal-own-account-more bucket.yaml[1]": True,
        "principal-own-account-more bucket.yaml[2]": True,
        "principal-one-account-more bucket.yaml[1]": False,
        "principal-one-account-more bucket.yaml[2]": False,
    }


@pytest.mark.parametrize(
    ("tag", "value", "differs"),
    [("cost-centre", "42", False), ("TEAM", "data", True), ("Team", "other", True), ("Team", "data", False)],
)
def test_a_role_tag_counts_if_a_policy_refers_to_it(tag: str, value: str, differs: bool) -> None:
    asked = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    asked["Condition"] = {"StringEquals": {"aws:PrincipalTag/team": "data"}}  # type: ignore[assignment]

    def tagged(**tags: str) -> Access:
        policies = {PERMISSIONS: {"work": {"Version": "2012-10-17", "Statement": [asked]}}}
        facts = {TAGS: [[name, value] for name, value in tags.items()]}
        return Access(
            {"worker": EntityAccess("arn:aws:iam::111111111111:role/worker", "111111111111", "role", policies, facts)}
        )

    assert bool(difference(tagged(Team="data"), tagged(**{"Team": "data", tag: value}))) is differs


@pytest.mark.parametrize(
    ("before", "after", "differs"),
    [
        (["s3:GetObject", "s3:PutObject"], ["s3:Get*", "s3:PutObject"], False),
        (["s3:GetObject", "s3:PutObject"], ["s3:GetObject"], True),
        (["s3:GetObject"], [], True),
        ([], ["s3:GetObject"], False),
    ],
    ids=str,
)
@pytest.mark.parametrize("aspect", [PERMISSIONS, BOUNDARY])
def test_a_removed_deny_is_a_difference_though_no_policy_allows_the_action(
    aspect: str, before: list[str], after: list[str], differs: bool
) -> None:
    """A bucket policy can allow a session something that its boundary does not allow, but not what a Deny forbids."""

    def held(denied: list[str]) -> Access:
        listed = {"Effect": "Allow", "Action": "ec2:DescribeInstances", "Resource": "*"}
        never = [{"Effect": "Deny", "Action": denied, "Resource": "*"}] if denied else []
        allowing = {"Version": "2012-10-17", "Statement": [listed]}
        documents = {PERMISSIONS: {"work": allowing}, BOUNDARY: {"limit": allowing}}
        documents[aspect] = {"work": {**allowing, "Statement": [listed, *never]}}
        role = "arn:aws:iam::111111111111:role/worker"
        return Access({"worker": EntityAccess(role, "111111111111", "role", documents, {})})

    assert bool(difference(held(before), held(after))) is differs


def test_a_bucket_opened_by_its_acl_is_a_difference() -> None:
    contract = load(ROOT / "templates" / "cross-account-s3-read")
    (mutant,) = mutants(contract, chosen(["bucket-opened-by-acl"]))
    with opened(contract) as stage:
        before = access(stage)
    with overlay({mutant.template: mutant.text}), opened(contract) as stage:
        assert "properties" in difference(before, access(stage))


@pytest.mark.parametrize("name", ["conditions", "shapes"])
def test_a_mutant_is_compared_with_its_contract_as_if_it_were_read_again(name: str) -> None:
    contract = load(ROOT / "fixtures" / "mutants" / "grants" / name)
    some = list(islice(mutants(contract, operators()), 0, None, 5))
    changes: tuple[Any, ...] = (
        {"Parameters": {"New": {"Type": "String"}}},
        {"Resources": {}},
        {"Outputs": {"New": {}}},
    )
    others = [replace(some[0], text=json.dumps({**json.loads(some[0].text), **change})) for change in changes]
    refused = 0
    for mutant in [*some, *others]:
        original = read(mutant.template)
        with overlay({mutant.template: mutant.text}):
            again = refusal(partial(load, contract.path))
            assert refusal(partial(check_contract, contract, original.value, mutant)) == again, mutant.id
            assert again or load(contract.path) == contract
            refused += bool(again)
    assert refused > 0


def refusal(check: Callable[[], object]) -> str:
    try:
        check()
    except ContractError as error:
        return str(error)
    return ""


def test_synthesis_and_deployment_give_the_same_verdicts() -> None:
    operators = chosen(["principal-everybody", "condition-dropped", "resource-twice", "user-more", "principal-pattern"])
    # CloudFormation refuses a function of another shape, in whatever branch it stands.
    half = replace(operators[0], name="half-a-condition", at=("Action",), argument={"Fn::If": ["Never", "*"]})
    operators = (*operators, half)
    verdicts = []
    for by_synthesis in (True, False):
        engine = Engine(2, operators, by_synthesis=by_synthesis, each=2)
        run(folder(), ROOT / "fixtures" / "mutants" / "grants" / "conditions", engine)
        (score,) = engine.scores
        verdicts.append({result.mutant.id: (result.verdict, result.why, result.tests) for result in score.results})
    assert verdicts[0] == verdicts[1]
    assert {verdict for verdict, *_ in verdicts[0].values()} == {"killed", "equivalent", "invalid"}
    malformed = [found for name, found in verdicts[0].items() if name.startswith("half-")]
    assert malformed
    assert {(verdict, "Fn::If takes a list of 3" in why) for verdict, why, _ in malformed} == {("invalid", True)}
