"""Contracts: each mistake in one is a single clear error, with file, line and what to do next."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from grantproof.contract import ContractError, Facts, facts_of, find, load, references, resolve
from grantproof.source import read
from tests.commands import grantproof

ROOT = Path(__file__).parent.parent
BROKEN = ROOT / "fixtures" / "broken"
CASES = sorted(path.parent for path in BROKEN.glob("*/expected.txt"))
SCHEMA = json.loads((ROOT / "grantproof" / "contract.schema.json").read_text(encoding="utf-8"))
SHIPPED = ROOT / "templates" / "cross-account-ssm"


@pytest.fixture(autouse=True)
def at_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def test_fixtures_of_broken_contracts_are_found() -> None:
    assert len(CASES) >= 45


@pytest.mark.parametrize("folder", CASES, ids=lambda path: path.name)
def test_a_broken_contract_gives_its_one_error(folder: Path) -> None:
    with pytest.raises(ContractError) as caught:
        find(folder.relative_to(ROOT))
    assert str(caught.value) == (folder / "expected.txt").read_text(encoding="utf-8").strip()


@pytest.mark.parametrize("path", ["no/such", "templates", "templates/no/contract.yaml"])
def test_a_missing_grant_is_reported_as_missing(path: str) -> None:
    with pytest.raises(ContractError, match=r"is not there\. Name the folder of one grant, which holds a contract"):
        load(Path(path))


def test_a_folder_that_cannot_be_listed_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`rglob` skips such a folder silently, so its grants would be missing from the verdict."""
    (tmp_path / "good").symlink_to(BROKEN / "good")
    (tmp_path / "theirs").mkdir()
    real = os.scandir

    def scandir(path: Any) -> Any:
        if Path(path).name == "theirs":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(ContractError, match="theirs: cannot be looked into: Permission denied"):
        find(tmp_path)


def test_their_neighbour_is_good() -> None:
    (contract,) = find(BROKEN / "good")
    assert [p.alias for p in contract.principals] == ["reader"]


def test_a_broken_contract_is_bad_usage_and_not_a_failed_verification(tmp_path: Path) -> None:
    done = grantproof("verify", "fixtures/broken/unknown-account", "--report-dir", str(tmp_path), cwd=ROOT)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.strip() == (BROKEN / "unknown-account" / "expected.txt").read_text(encoding="utf-8").strip()


def test_two_grants_of_the_same_name_are_refused(tmp_path: Path) -> None:
    for above in ("a", "b"):
        folder = tmp_path / above / "grant"
        folder.mkdir(parents=True)
        for file in (BROKEN / "good").iterdir():
            (folder / file.name).write_text(file.read_text(encoding="utf-8"), encoding="utf-8")
    with pytest.raises(ContractError, match="same folder name"):
        find(tmp_path)


def test_stacks_come_after_those_whose_outputs_they_take() -> None:
    assert [stack.alias for stack in load(SHIPPED).stacks] == ["owner", "partner"]


def test_every_statement_has_its_source_position() -> None:
    contract = load(SHIPPED)
    lines = contract.path.read_text(encoding="utf-8").splitlines()
    for principal in contract.principals:
        for statement in (*principal.trust, *principal.allows, *principal.denies):
            assert lines[statement.place.line - 1].strip().startswith("- ")


def test_references_are_filled_and_iams_own_variables_are_left_alone() -> None:
    facts = Facts({"region": "eu-west-1", "stacks.a.outputs.Arn": "arn:x"})
    value = {"a": ["${region}/${aws:username}", "${stacks.a.outputs.Arn}"], "b": 1}
    assert resolve(value, facts) == {"a": ["eu-west-1/${aws:username}", "arn:x"], "b": 1}
    assert references(value) == ("region", "stacks.a.outputs.Arn")
    with pytest.raises(KeyError, match=r"stacks\.b\.name"):
        resolve("${stacks.b.name}", facts)


def test_facts_before_deployment_are_accounts_uploads_and_names() -> None:
    values = facts_of(load(SHIPPED)).values
    assert values["accounts.partner"] == "222222222222"
    assert values["uploads.templates.bucket"] == "dva-02-002-templates"
    assert values["partition"] == "aws"


# --- the schema that editors use --------------------------------------------------------------------------------------


def errors(value: Any) -> list[Any]:
    return list(jsonschema.Draft202012Validator(SCHEMA).iter_errors(value))


CENTRAL = ROOT / "fixtures" / "shapes" / "central-bus"


@pytest.mark.parametrize("folder", [SHIPPED, BROKEN / "good", CENTRAL], ids=lambda path: path.name)
def test_good_contracts_are_good_by_the_schema(folder: Path) -> None:
    assert errors(read(folder / "contract.yaml").value) == []


def test_a_contract_without_principals_needs_something_else_to_promise() -> None:
    contract = {**read(CENTRAL / "contract.yaml").value, "principals": {}}
    assert errors(contract) == []
    assert errors({key: value for key, value in contract.items() if key not in ("resources", "sends")}) != []


def test_the_contract_names_the_schema_that_ships() -> None:
    first = (SHIPPED / "contract.yaml").read_text(encoding="utf-8").splitlines()[0]
    named = first.partition("$schema=")[2]
    assert (SHIPPED / named).resolve() == ROOT / "grantproof" / "contract.schema.json"


#: Mistakes of structure, which a schema can see; the others need the templates or the list of actions.
STRUCTURAL = """
unknown-key missing-key version-missing version-of-the-future account-not-quoted account-of-eleven-digits no-accounts
parameter-not-text stack-name-with-a-space role-without-trust trust-on-a-group two-kinds no-kind max-session-too-long
action-and-not-action no-action no-resource principal-in-allows effect-misspelt unknown-access-level
statement-not-an-object allows-nothing-written a-list unknown-operator wildcard-in-principal resource-not-an-arn
managed-not-of-aws sends-from-a-type sends-there-twice sends-to-no-address sends-to-what-is-not-known
sends-with-a-wildcard
""".split()


@pytest.mark.parametrize("name", STRUCTURAL)
def test_the_schema_refuses_what_the_loader_refuses(name: str) -> None:
    assert errors(read(BROKEN / name / "contract.yaml").value) != []


def test_every_key_of_the_schema_is_explained() -> None:
    def unexplained(schema: Any, path: str = "") -> list[str]:
        out = []
        for name, inner in schema.get("properties", {}).items():
            if "description" not in inner and "$ref" not in inner:
                out.append(f"{path}/{name}")
            out += unexplained(inner, f"{path}/{name}")
        for name, inner in schema.get("$defs", {}).items():
            out += unexplained(inner, f"{path}/{name}")
        return out

    assert unexplained(SCHEMA) == []


@pytest.mark.parametrize("folder", ["cross_account roles", "2026"])
def test_a_stack_without_a_name_gets_one_that_cloudformation_takes(tmp_path: Path, folder: str) -> None:
    for file in (BROKEN / "good").iterdir():
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / file.name).write_text(file.read_text(encoding="utf-8"), encoding="utf-8")
    (stack,) = load(tmp_path / folder).stacks
    assert stack.name == {"cross_account roles": "cross-account-roles-owner", "2026": "stack-2026-owner"}[folder]
