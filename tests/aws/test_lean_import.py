"""moto is imported without what few need, and has it when it is needed."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import resources

import pytest
from boto3.session import Session
from botocore.exceptions import ClientError
from moto.ec2.models.availability_zones_and_regions import RegionsAndZonesBackend
from moto.ec2.models.instance_types import INSTANCE_TYPE_OFFERINGS
from moto.utilities.utils import load_resource

from grantproof.aws.isolation import isolated
from grantproof.aws.mocked.world import World

API = {
    "openapi": "3.0.0",
    "info": {"title": "api", "version": "1", "description": "one"},
    "paths": {"/": {"get": {"responses": {"200": {"description": "ok"}}}}},
}


def test_openapi_is_imported_with_the_first_api_that_is_described_in_it() -> None:
    script = f"""
import json, sys
from grantproof.aws.mocked.world import World
assert "openapi_spec_validator" not in sys.modules
with World({{"owner": "111111111111"}}, "eu-west-1") as world:
    client = world.client(world.root("owner"), "apigateway")
    client.import_rest_api(body={json.dumps(API)!r}, failOnWarnings=True)
assert sys.modules["openapi_spec_validator"].__file__
"""
    subprocess.run([sys.executable, "-c", script], check=True)  # noqa: S603 - our own script


def test_an_api_is_refused_as_openapi_spec_validator_refuses_it() -> None:
    with World({"owner": "111111111111"}, "eu-west-1") as world:
        client = world.client(world.root("owner"), "apigateway")
        for _ in range(2):
            with pytest.raises(ClientError, match="Failed to parse the uploaded OpenAPI document due to"):
                client.import_rest_api(body=json.dumps(API | {"info": {}}), failOnWarnings=True)
        assert client.import_rest_api(body=json.dumps(API), failOnWarnings=True)["name"] == "api"


@pytest.mark.parametrize("partition", ["aws", "aws-cn", "aws-us-gov"])
def test_moto_knows_the_regions_that_boto3_knows(partition: str) -> None:
    with isolated():
        regions = Session().get_available_regions("ec2", partition_name=partition)
    assert regions
    assert {region.name for region in RegionsAndZonesBackend.regions} >= set(regions)


@pytest.mark.parametrize("kind", ["region", "availability-zone", "availability-zone-id"])
def test_ec2_offers_the_instance_types_that_moto_lists(kind: str) -> None:
    name = f"ec2/resources/instance_type_offerings/{kind}"
    listed = {one["InstanceType"] for one in load_resource(f"{name}/eu-west-1.json")}
    assert len(listed) > 100
    with World({"owner": "111111111111"}, "eu-west-1") as world:
        client = world.client(world.root("owner"), "ec2")
        offered = client.describe_instance_type_offerings(LocationType=kind)["InstanceTypeOfferings"]
    assert {one["InstanceType"] for one in offered} == listed
    assert {one["LocationType"] for one in offered} == {kind}
    files = {path.name.partition(".")[0] for path in (resources.files("moto") / name).iterdir()}
    assert set(INSTANCE_TYPE_OFFERINGS[kind]) == files
