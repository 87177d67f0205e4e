"""External destinations in the gate: no policy shows them, and the contract can promise them."""

from __future__ import annotations

from pathlib import Path

from grantproof.gate import report
from grantproof.gate.wording import headline
from tests.gate.repositories import CONTRACT, ROLE, commit, edit, found, git

BUS = "arn:aws:events:eu-west-1:222222222222:event-bus/central"


def rule(name: str, *targets: str, more: str = "") -> str:
    """A rule with these targets, as YAML in a template."""
    listed = ", ".join(f"{{Id: t{number}, Arn: {target}}}" for number, target in enumerate(targets))
    properties = f"{{EventPattern: {{source: [a]}}, Targets: [{listed}]}}"
    return f"  {name}:\n    Type: AWS::Events::Rule\n{more}    Properties: {properties}\n"


def sends(*destinations: str) -> str:
    """The contract's promise of a rule `Forward`."""
    listed = ", ".join(destinations)
    return f"sends:\n  forward:\n    from: ${{stacks.owner.resources.Forward}}\n    to: [{listed}]\n"


def with_rule(template: str, contract: str) -> None:
    """Put a rule into the grant, and a promise into its contract."""
    edit(ROLE, "Resources:\n", f"Resources:\n{template}")
    CONTRACT.write_text(CONTRACT.read_text(encoding="utf-8").rstrip("\n") + f"\n{contract}", encoding="utf-8")


def merged(repository: Path) -> None:
    """What there is, as the base of the next change."""
    commit(repository)
    git(repository, "branch", "--force", "main")


def test_a_new_external_destination_needs_a_promise(repository: Path) -> None:
    with_rule(rule("Forward", BUS), "")
    change = found(repository)
    (gained,) = change.grants[0].uncovered
    assert not change.passes
    assert gained.clause == f"owner/Forward (AWS::Events::Rule) sends to {BUS}"
    assert str(gained.place).endswith("role.yaml:6:3")
    assert f"what leaves its account: {gained.clause}\n" in report.text(change)
    assert "for example" not in report.text(change), "it would be the same again"


def test_a_new_promise_of_a_destination_is_a_widened_contract(repository: Path) -> None:
    with_rule(rule("Forward", BUS), sends(BUS))
    change = found(repository)
    assert change.passes
    (gained,) = change.grants[0].widened_with
    assert gained.promise is not None
    assert str(gained.promise.place).endswith("contract.yaml:22:3")
    assert "1 BY WIDENING THE CONTRACT" in headline(change)


def test_a_changed_destination_is_new_whatever_the_resource_is_called(repository: Path) -> None:
    with_rule(rule("Forward", BUS), sends(BUS))
    merged(repository)
    edit(ROLE, BUS, BUS.replace("222222222222", "333333333333"))
    change = found(repository)
    assert [one.clause.partition(" to ")[2] for one in change.grants[0].uncovered] == [BUS.replace("2" * 12, "3" * 12)]
    assert [one.clause.partition(" to ")[2] for one in change.grants[0].lost] == [BUS]
    edit(CONTRACT, BUS, BUS.replace("222222222222", "333333333333"))
    change = found(repository)
    assert change.passes
    assert len(change.grants[0].widened_with) == 1


def test_a_new_target_in_the_same_account_is_no_access(repository: Path) -> None:
    own = "arn:aws:sqs:eu-west-1:111111111111:q"
    with_rule(rule("Forward", BUS, own), sends(BUS))
    merged(repository)
    edit(ROLE, own, f"{own}2")
    change = found(repository)
    assert change.passes
    assert headline(change).startswith("No change in access")


def test_a_destination_of_a_variant_is_compared_although_it_is_also_used_without_it(repository: Path) -> None:
    """Though it is the same destination: the promise is of another resource, and in force without the variant only."""
    with_rule(rule("Forward", BUS), sends(BUS) + 'variants:\n  same:\n    parameters: {owner: {More: "yes"}}\n')
    edit(ROLE, "Parameters:\n", 'Parameters:\n  More: {Type: String, Default: "no"}\n')
    more = "    Condition: WithMore\n"
    edit(ROLE, "Resources:\n", f"Resources:\n{rule('Second', BUS, more=more)}")
    edit(ROLE, "Resources:\n", 'Conditions: {WithMore: !Equals [!Ref More, "yes"]}\nResources:\n')
    change = found(repository)
    assert [one.clause.partition(" ")[0] for one in change.grants[0].uncovered] == ["owner/Second"]
    edit(CONTRACT, 'More: "yes"}}\n', 'More: "yes"}}\n    absent: [forward]\n')
    edit(ROLE, "    Condition: WithMore\n", "")
    assert {one.subject for one in found(repository).grants[0].uncovered} == {
        "what leaves its account",
        "with same, what leaves its account",
    }
