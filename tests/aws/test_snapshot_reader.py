"""The permissions for taking a snapshot are a verified grant: each is needed, and no other."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from grantproof.aws.real import live
from grantproof.aws.real.export import join
from grantproof.aws.real.recorded import Recorded
from grantproof.aws.staged.stage import Stage
from grantproof.contract import load

GRANT = Path(__file__).parent.parent.parent / "templates" / "snapshot-reader"
CONTRACT = load(GRANT)


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    stage = Stage(CONTRACT)
    stage.open()
    _fill(stage)
    yield stage
    stage.close()


def _fill(stage: Stage) -> None:
    """Create a resource of each service, so that its policy is read."""
    owner = stage.world.root("owner")
    made = {service: stage.world.client(owner, service) for service in live.RESOURCE_POLICIES}
    made["s3"].create_bucket(Bucket="one", CreateBucketConfiguration={"LocationConstraint": CONTRACT.region})
    made["kms"].create_key()
    made["sqs"].create_queue(QueueName="one")
    made["sns"].create_topic(Name="one")
    made["secretsmanager"].create_secret(Name="one", SecretString="-")
    made["ecr"].create_repository(repositoryName="one")
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    iam = stage.world.client(owner, "iam")
    role = iam.create_role(RoleName="of-a-function", AssumeRolePolicyDocument=document)["Role"]["Arn"]
    code = {"ZipFile": b"-"}
    made["lambda"].create_function(FunctionName="one", Role=role, Handler="a.b", Runtime="python3.12", Code=code)


def source(stage: Stage) -> live.Source:
    reader = stage.member(CONTRACT.principal("reader"))
    return live.Source(reader, "the reader", "owner", CONTRACT.accounts["owner"], CONTRACT.region)


def test_the_contract_allows_exactly_the_calls_that_are_made() -> None:
    allowed = [action for s in CONTRACT.principal("reader").allows for action in s.document["Action"]]
    assert sorted(allowed) == sorted(live.CALLS.values())


def test_the_role_can_take_a_complete_snapshot(stage: Stage) -> None:
    made: set[tuple[str, str]] = set()
    entered = source(stage)
    entered.session.events.register_first(
        "before-parameter-build", lambda model, **_: made.add((model.service_model.service_name, model.name))
    )
    documents = live.take(entered, live.stacks_in([CONTRACT], "owner"))
    assert made - {("sts", "GetCallerIdentity")} == set(live.CALLS)
    assert set(join(Path("owner"), documents).services) == set(live.RESOURCE_POLICIES)


@pytest.mark.parametrize("action", sorted(live.CALLS.values()))
def test_without_any_one_permission_there_is_no_snapshot(stage: Stage, action: str) -> None:
    """The message names the missing permission."""
    iam = stage.world.client(stage.world.root("owner"), "iam")
    held = stage.held(CONTRACT.principal("reader"))
    assert held is not None
    name = held.arn.rsplit("/", 1)[1]
    services = [service for service in live.RESOURCE_POLICIES if action.startswith(f"{service}:")]
    deny = {"Effect": "Deny", "Action": action, "Resource": "*"}
    iam.put_role_policy(
        RoleName=name, PolicyName="less", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [deny]})
    )
    try:
        with pytest.raises(live.SnapshotFailed, match=f"The permission {action} is missing"):
            live.take(source(stage), live.stacks_in([CONTRACT], "owner"), services)
    finally:
        iam.delete_role_policy(RoleName=name, PolicyName="less")


def test_a_snapshot_taken_by_the_role_is_verified(stage: Stage) -> None:
    """The partner's account is read by its own administrator; then the grant is verified with both snapshots."""
    exports = {}
    for alias, account in CONTRACT.accounts.items():
        session = source(stage).session if alias == "owner" else stage.world.root(alias)
        entered = live.Source(session, alias, alias, account, CONTRACT.region)
        exports[alias] = join(Path(alias), live.take(entered, live.stacks_in([CONTRACT], alias), ("s3",)))
    found = Recorded(CONTRACT, exports)
    assert found.held(CONTRACT.principal("reader")) is not None
    assert found.summary().endswith("resource policies read of: s3")
