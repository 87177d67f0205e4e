"""Stacks from the cache equal newly synthesised ones."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from grantproof.aws.combinations.space import Space, meets_requirements
from grantproof.aws.synthesis.stack_cache import StackCache
from grantproof.aws.synthesis.stacks import Refused, Synthesis, synthesise
from grantproof.aws.synthesis.synthesised import Synthesised
from grantproof.aws.templates.scope import NotResolved
from grantproof.contract import Contract, load
from grantproof.mutants.catalogue import chosen
from grantproof.mutants.mutant import mutants
from grantproof.source import overlay
from grantproof.variants import with_variants

ROOT = Path(__file__).parent.parent.parent
SHIPPED = ROOT / "templates" / "cross-account-ssm"


def said(found: Synthesis) -> Any:
    resources = [
        (stack.alias, stack.outputs, r.path, r.type, r.physical_id, r.account, r.properties)
        for stack in found.deployment.stacks
        for r in stack.resources
    ]
    scopes = {path: (scope.parameters, scope.pseudo) for path, scope in found.scopes.items()}
    held = {number: snapshot.as_dict() for number, snapshot in found.snapshots.items()}
    return resources, found.deployment.facts, dict(found.conditions), scopes, held


def test_every_combination_is_the_same_with_cached_stacks() -> None:
    contract = load(SHIPPED)
    space = Space(contract)
    every = (c for part in space.parts for c in space.combinations(part) if meets_requirements(c))
    for combination in islice(every, 0, None, 17):
        found = space.synthesised(combination, contract.region)
        assert not isinstance(found, Refused)
        anew = synthesise(with_variants(contract, [v.alias for v in combination]), contract.region)
        assert said(found) == said(anew), [v.alias for v in combination]


def test_a_stack_of_another_region_or_template_is_not_taken_from_the_cache() -> None:
    contract = load(SHIPPED)
    before = Space(contract)
    home, elsewhere = (before.synthesised((), region) for region in (contract.region, "us-iso-east-1"))
    assert not isinstance(elsewhere, Refused)
    assert said(elsewhere) == said(synthesise(contract, "us-iso-east-1"))
    (mutant, *_) = mutants(contract, chosen(["role-name-fixed"]))
    with overlay({mutant.template: mutant.text}, dumped=True):
        broken = Space(contract, before).synthesised((), contract.region)
        assert not isinstance(broken, Refused)
        assert said(broken) == said(synthesise(contract))
        assert not isinstance(home, Refused)
        assert said(broken) != said(home), "the fault is seen, though the nested stack is made by another template"


ROLE = """
Resources:
  Reader:
    Type: AWS::IAM::Role
    Properties:
      RoleName: reader
      AssumeRolePolicyDocument:
        Version: "2012-10-17"
        Statement: [{Effect: Allow, Principal: {Service: ec2.amazonaws.com}, Action: sts:AssumeRole}]
"""
POLICY = """
Parameters:
  Bucket: {Type: String}
Resources:
  More:
    Type: AWS::IAM::Policy
    Properties:
      PolicyName: more
      Roles: [reader]
      PolicyDocument:
        Version: "2012-10-17"
        Statement: [{Effect: Allow, Action: s3:GetObject, Resource: !Sub "arn:aws:s3:::${Bucket}/*"}]
"""
CONTRACT = """
version: 1
accounts: {owner: "111111111111"}
region: eu-west-1
stacks:
  role: {account: owner, template: role.yaml}
  more: {account: owner, template: more.yaml, parameters: {Bucket: one}}
principals:
  reader:
    role: reader
    trust: [{Principal: {Service: ec2.amazonaws.com}, Action: sts:AssumeRole}]
    allows: [{Action: s3:GetObject, Resource: "arn:aws:s3:::one/*"}]
"""


def two_stacks(folder: Path) -> Contract:
    folder.mkdir(exist_ok=True)
    for name, text in (("role.yaml", ROLE), ("more.yaml", POLICY), ("contract.yaml", CONTRACT)):
        (folder / name).write_text(text, encoding="utf-8")
    return load(folder)


def test_a_policy_that_a_stack_attaches_elsewhere_is_attached_once_each_time(tmp_path: Path) -> None:
    contract, cache = two_stacks(tmp_path), StackCache()
    found = [synthesise(contract, cache=cache) for _ in range(3)]
    for each in found:
        (role,) = each.snapshots["111111111111"].roles
        assert [policy["PolicyName"] for policy in role["RolePolicyList"]] == ["more"]
    aliases = {json.dumps(key[0]) for key in cache.stacks if isinstance(key, tuple)}
    assert aliases == {'["role"]'}, "a stack that reaches for what another made is made again"


def test_a_cached_stack_is_used_only_for_the_same_inputs(tmp_path: Path) -> None:
    contract, cache = two_stacks(tmp_path), StackCache()
    synthesise(contract, cache=cache)
    text = (tmp_path / "more.yaml").read_text(encoding="utf-8").replace("s3:GetObject", "s3:*")
    with overlay({tmp_path / "more.yaml": text}):
        (role,) = synthesise(contract, cache=StackCache(cache)).snapshots["111111111111"].roles
        assert role["RolePolicyList"][0]["PolicyDocument"]["Statement"][0]["Action"] == "s3:*"
    text = (tmp_path / "role.yaml").read_text(encoding="utf-8").replace("ec2.amazonaws.com", "lambda.amazonaws.com")
    with overlay({tmp_path / "role.yaml": text}):
        (role,) = synthesise(contract, cache=StackCache(cache)).snapshots["111111111111"].roles
        assert "lambda" in str(role["AssumeRolePolicyDocument"])


def refused(contract: Contract, cache: StackCache) -> str:
    with pytest.raises(Refused) as raised:
        synthesise(contract, cache=cache)
    return str(raised.value)


def test_a_cached_refusal_is_used_only_for_the_same_inputs(tmp_path: Path) -> None:
    contract, cache = two_stacks(tmp_path), StackCache()
    strict = POLICY.replace("Bucket: {Type: String}", "Bucket: {Type: String, AllowedPattern: two}")
    with overlay({tmp_path / "more.yaml": strict}):
        assert refused(contract, cache) == refused(contract, cache) == refused(contract, StackCache())
        (role, more) = contract.stacks
        other = replace(contract, stacks=(role, replace(more, parameters={"Bucket": "two"})))
        assert synthesise(other, cache=cache).snapshots["111111111111"].roles
    assert synthesise(contract, cache=cache).snapshots["111111111111"].roles


WRONG = """
  Wrong:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Version: "2012-10-17"
        Statement: [{Effect: Allow, Principal: {AWS: "arn:aws-cn:iam::222222222222:root"}, Action: sts:AssumeRole}]
"""


@pytest.mark.parametrize(("more", "aliases"), [(POLICY + WRONG, {"role"}), ("Resources:" + WRONG, {"role", "more"})])
def test_a_refusal_that_depends_on_another_stack_is_not_cached(more: str, aliases: set[str], tmp_path: Path) -> None:
    contract, cache = two_stacks(tmp_path), StackCache()
    if "Bucket" not in more:
        contract = replace(contract, stacks=(contract.stacks[0], replace(contract.stacks[1], parameters={})))
    with overlay({tmp_path / "more.yaml": more}):
        assert "Invalid principal in policy" in refused(contract, cache)
        assert refused(contract, cache) == refused(contract, StackCache())
    assert {key[0][0] for key in cache.stacks if isinstance(key, tuple)} == aliases


def test_a_declared_principal_is_looked_up_once(tmp_path: Path) -> None:
    contract = two_stacks(tmp_path)
    found, (reader,) = Synthesised(contract, synthesise(contract)), contract.principals
    held = found.held(reader)
    assert held is not None
    assert found.held(reader) is held
    assert found.held(replace(reader, reference="another")) is None
    assert found.held(replace(reader, kind="user")) is None
    assert found.located(held.arn) == ("role", "Reader")
    assert found.located("arn:aws:iam::111111111111:role/another") is None


LOOP = """
Transform: AWS::LanguageExtensions
Resources:
  Fn::ForEach::Topics: [Name, [a, b], {"Topic${Name}": {Type: AWS::SNS::Topic}}]
"""


def test_a_loop_is_not_synthesised_and_its_position_is_given(tmp_path: Path) -> None:
    """It is verified all the same, since a deployment unrolls it."""
    (tmp_path / "app.yaml").write_text(LOOP, encoding="utf-8")
    contract = {
        "version": 1,
        "accounts": {"owner": "111111111111"},
        "region": "eu-west-1",
        "stacks": {"app": {"account": "owner", "template": "app.yaml"}},
        "principals": {"p": {"policy": "p", "allows": [{"Action": "sns:Publish", "Resource": "*"}]}},
    }
    (tmp_path / "contract.yaml").write_text(json.dumps(contract), encoding="utf-8")
    with pytest.raises(NotResolved, match=r"app.yaml:4:3: Fn::ForEach::Topics is a loop, .*; write out the resources"):
        synthesise(load(tmp_path))
