"""Finds the file of a nested stack among the uploads of a contract."""

from __future__ import annotations

import json
from pathlib import Path

from grantproof.aws.templates.s3_address import s3_address
from grantproof.contract import Contract
from grantproof.source import read


def nested_file(contract: Contract, url: str) -> Path | None:
    """The uploaded file at the TemplateURL of a nested stack; None where there is none."""
    address = s3_address(url, contract.partition)
    for upload in contract.uploads:
        for file in upload.files:
            if address == (upload.bucket, "/".join(filter(None, (upload.prefix, path_in_grant(contract, file))))):
                return file
    return None


def path_in_grant(contract: Contract, file: Path) -> str:
    """The path of a file relative to the folder of its grant, with slashes."""
    return file.relative_to(contract.path.parent).as_posix()


def nested_template(contract: Contract, template: Path | None, logical_id: str) -> Path | None:
    """The uploaded file of a nested stack, if only the template that declares the stack is known: the file whose name
    occurs in the TemplateURL as it is written. None where there is none or more than one.

    Args:
        template: the file that declares the nested stack.
    """
    if template is None:
        return None
    url = json.dumps(read(template).value["Resources"][logical_id]["Properties"]["TemplateURL"])
    files = {path_in_grant(contract, file): file for upload in contract.uploads for file in upload.files}
    named = [name for name in files if f"/{name}" in url or f"/{files[name].name}" in url]
    # A URL that ends in apart/role.yaml also ends in role.yaml, so the longest name counts.
    whole = [name for name in named if f"/{name}" in url]
    longest = [name for name in whole if not any(other.endswith(f"/{name}") for other in whole)] or named
    return files[longest[0]] if len(longest) == 1 else None
