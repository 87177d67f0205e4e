"""Which bucket and key a template URL names; a URL of another's template is not taken for a file of the grant."""

from __future__ import annotations

import pytest

from grantproof.aws.templates.s3_address import s3_address

OURS = ("bucket", "prefix/role.yaml")


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("https://bucket.s3.eu-west-1.amazonaws.com/prefix/role.yaml", OURS),
        ("https://bucket.s3.amazonaws.com/prefix/role.yaml", OURS),
        ("https://bucket.s3-eu-west-1.amazonaws.com/prefix/role.yaml", OURS),
        ("https://bucket.s3.dualstack.eu-west-1.amazonaws.com/prefix/role.yaml", OURS),
        ("https://s3.eu-west-1.amazonaws.com/bucket/prefix/role.yaml", OURS),
        ("https://s3.amazonaws.com/bucket/prefix/role.yaml", OURS),
        ("https://bucket.theirs.s3.amazonaws.com/prefix/role.yaml", ("bucket.theirs", "prefix/role.yaml")),
        ("https://localhost-theirs.s3.amazonaws.com/bucket/role.yaml", ("localhost-theirs", "bucket/role.yaml")),
        ("https://s3theirs.s3.amazonaws.com/bucket/prefix/role.yaml", ("s3theirs", "bucket/prefix/role.yaml")),
        ("https://s3-theirs.amazonaws.com/bucket/prefix/role.yaml", None),
        ("https://bucket.example.com/prefix/role.yaml", None),
        ("https://bucket.s3-accesspoint.eu-west-1.amazonaws.com/prefix/role.yaml", None),
        ("https://bucket.s3-website-eu-west-1.amazonaws.com/prefix/role.yaml", None),
        ("https://bucket.s3.cn-north-1.amazonaws.com.cn/prefix/role.yaml", None),
        ("https://bucket.s3.amazonaws.com@theirs.s3.amazonaws.com/prefix/role.yaml", None),
        ("https://bucket.s3.amazonaws.com:8443/prefix/role.yaml", None),
        ("https://bucket.s3.amazonaws.com/prefix/role.yaml?versionId=1", None),
        ("https://bucket.s3.amazonaws.com/prefix/role.yaml?versionId=1&x=/prefix/role.yaml", None),
        ("https://bucket.s3.amazonaws.com/other/../prefix/role.yaml", None),
        ("https://bucket.s3.amazonaws.com/prefix%2Frole.yaml", None),
        ("http://bucket.s3.amazonaws.com/prefix/role.yaml", None),
        ("s3://bucket/prefix/role.yaml", None),
        ("https://bucket.s3.amazonaws.com/", None),
    ],
)  # fmt: skip
def test_a_url_names_one_object_or_none(url: str, address: tuple[str, str] | None) -> None:
    assert s3_address(url, "aws") == address
