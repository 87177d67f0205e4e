"""Results of seeded faults are used only for the files in which they were seeded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from grantproof.evidence.mutation import NAME, Mutation, read

INPUTS = {"t/a/contract.yaml": "c" * 64, "t/a/iam.yaml": "d" * 64, "t/a/waivers.yaml": "e" * 64}
COUNTS = {
    "killed": 150,
    "survived": 1,
    "killed for another reason": 2,
    "equivalent": 9,
    "invalid": 4,
    "dormant": 3,
}


WHOLE: dict[str, Any] = {"version": 1, "only": "", "chosen": [], "judges_sha256": "f" * 64}


def document(**more: Any) -> dict[str, Any]:
    files = {name: digest for name, digest in INPUTS.items() if "waivers" not in name}
    return {**WHOLE, "grants": [{"grant": "a", "sha256": files, "counts": COUNTS}], **more}


def found(tmp_path: Path, data: Any, inputs: Any = INPUTS, grants: Any = ("a",)) -> Mutation:
    (tmp_path / NAME).write_text(data if isinstance(data, str) else json.dumps(data), encoding="utf-8")
    return read(tmp_path, grants, inputs, "f" * 64)


def test_faults_seeded_in_the_same_files_count(tmp_path: Path) -> None:
    got = found(tmp_path, document())
    assert got == Mutation("run", seeded=169, caught=150, survived=3, equivalent=9)
    assert got.access_changing == 153


@pytest.mark.parametrize(
    ("data", "inputs", "grants", "why"),
    [
        (document(), {**INPUTS, "t/a/iam.yaml": "0" * 64}, ("a",), "t/a/iam.yaml is another file now"),
        (document(), {**INPUTS, "t/a/more.yaml": "0" * 64}, ("a",), "t/a/more.yaml is another file now"),
        (document(), {"t/a/contract.yaml": "c" * 64}, ("a",), "t/a/iam.yaml is another file now"),
        (document(), INPUTS, ("a", "b"), "has nothing of b"),
        (document(version=2), INPUTS, ("a",), "is of version 2"),
        ("{", INPUTS, ("a",), "cannot be read"),
        ("[]", INPUTS, ("a",), "cannot be read"),
        (WHOLE | {"grants": [{"grant": "a", "sha256": {}}]}, {}, ("a",), "cannot be read"),
        (document(only="trust"), INPUTS, ("a",), "is of a part: it was limited to trust"),
        (document(chosen=["trust-*"]), INPUTS, ("a",), "is of a part: it was limited to trust-*"),
        (document(judges_sha256="0" * 64), INPUTS, ("a",), "is of other suites"),
    ],
    ids="changed,one more,one less,another grant,version,not JSON,no object,no counts,tests,operators,suites".split(
        ","
    ),
)
def test_faults_seeded_in_other_files_do_not_count(
    data: Any, inputs: Any, grants: Any, why: str, tmp_path: Path
) -> None:
    got = found(tmp_path, data, inputs, grants)
    assert (got.state, got.caught) == ("not run", 0)
    assert why in got.why


def test_the_report_says_when_no_faults_were_seeded(tmp_path: Path) -> None:
    assert read(tmp_path, ("a",), INPUTS, "").why.startswith("no mutants.json stands beside the reports")
