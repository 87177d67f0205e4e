"""moto's API Gateway, which validates OpenAPI documents by a library that is imported when it first does."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import nullcontext
from typing import Any

import pytest
from botocore.exceptions import ClientError

from grantproof.aws.mocked.world import World

_IMPORTED = """
import sys, grantproof.aws
print("openapi_spec_validator" in sys.modules, "moto.apigateway" in sys.modules)
"""


def test_importing_moto_imports_no_validator() -> None:
    """As long as moto imports it by the names that are deferred; a newer one that does not would be slow, not wrong."""
    done = subprocess.run([sys.executable, "-c", _IMPORTED], capture_output=True, text=True, check=True)  # noqa: S603
    assert done.stdout.split() == ["False", "True"]


@pytest.mark.parametrize("operation", [{"responses": {"200": {"description": "d"}}}, {"responses": 5}])
def test_documents_are_validated_all_the_same(operation: Any) -> None:
    info = {"title": "t", "version": "1", "description": "d"}
    document = {"openapi": "3.0.1", "info": info, "paths": {"/x": {"get": operation}}}
    with World({"owner": "111111111111"}, "eu-west-1") as world:
        gateway = world.client(world.root("owner"), "apigateway")
        with nullcontext() if operation["responses"] != 5 else pytest.raises(ClientError, match="Failed to parse"):
            gateway.import_rest_api(body=json.dumps(document), failOnWarnings=True)
