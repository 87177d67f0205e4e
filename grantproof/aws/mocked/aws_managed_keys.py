"""The keys that AWS manages in every account, such as `aws/dynamodb`.

moto creates one as a key of the customer's when a table or a volume is encrypted without naming a key. Such a key would
count as created by the stacks, with a policy that no contract can promise. In AWS, nobody can change the policy of an
AWS managed key, and no stack creates or deletes one.
Source: KMS Developer Guide, "AWS managed keys".
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from moto.kms.utils import RESERVED_ALIASE_TARGET_KEY_IDS

from grantproof.aws.templates.pseudo import partition_of


@contextmanager
def aws_managed_keys(type_: str) -> Generator[None, None, None]:
    """A context in which moto creates a resource of the type, names AWS managed keys by their ARN and creates none."""
    # moto's models of these services take long to import; a stack that has no such resource does not need them.
    if type_.startswith("AWS::DynamoDB::"):
        from moto.dynamodb.models.table import Table

        with patch.object(Table, "_get_default_encryption_key", _of_tables):
            yield
    elif type_.startswith("AWS::EC2::"):
        from moto.ec2.models.elastic_block_store import EBSBackend

        with patch.object(EBSBackend, "_create_default_encryption_key", _of_volumes):
            yield
    else:
        yield


def _of_tables(table: Any, account: str, region: str) -> str:
    return _arn("alias/aws/dynamodb", account, region)


def _of_volumes(volumes: Any) -> str:
    volumes.default_kms_key_id = _arn("alias/aws/ebs", volumes.account_id, volumes.region_name)
    return str(volumes.default_kms_key_id)


def _arn(alias: str, account: str, region: str) -> str:
    key = RESERVED_ALIASE_TARGET_KEY_IDS[alias]
    return f"arn:{partition_of(region)[0]}:kms:{region}:{account}:key/{key}"
