"""What the reports of 500 generated grants cost, as a share of the run that they report. Aim: at most a twentieth.

The run is measured over a few grants, copies of the shipped one, and its time taken per grant; the reports are really
rendered and written for 500.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from grantproof.contract import find
from grantproof.evidence import bundle, page, provenance
from grantproof.evidence.claim import Claim
from grantproof.evidence.finding import Finding, Tried
from grantproof.evidence.results import Results

ROOT = Path(__file__).parent.parent.parent
RUN, REPORTED = 4, 500


def generated(folder: Path, number: int) -> Path:
    """A folder with so many copies of the shipped grant."""
    for n in range(number):
        shutil.copytree(ROOT / "templates" / "cross-account-ssm", folder / f"grant-{n:03}")
    return folder


def claim(data: dict[str, Any], grant: str) -> Claim:
    """A claim of `findings.json`, as another grant's."""
    _, suite, rest = data["id"].split("/", 2)
    test, _, subject = rest.partition("[")
    return Claim(
        id=f"{grant}/{suite}/{rest}",
        grant=grant,
        suite=suite,
        test=test,
        subject=subject.removesuffix("]"),
        place=data["place"].replace("grant-000", grant),
        status=data["status"],
        proved=data["proved"],
        calls=data["calls"],
        refused=data["refused"],
        tried=tuple(Tried(**entry) for entry in data["tried"]),
        findings=tuple(
            replace(Finding.from_dict({k: v for k, v in f.items() if k != "fingerprint"}), grant=grant)
            for f in data["findings"]
        ),
    )


def main() -> None:
    """Print times, share and size."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        few = generated(folder / "few", RUN)
        command = [sys.executable, "-m", "grantproof.cli", "verify", str(few), "--report-dir", str(folder / "reports")]
        began = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True, cwd=ROOT)  # noqa: S603 - our own command
        a_grant = (time.perf_counter() - began) / RUN
        found = json.loads((folder / "reports" / "findings.json").read_text(encoding="utf-8"))

        grants = [f"grant-{n:03}" for n in range(REPORTED)]
        own = [data for data in found["claims"] if data["grant"] == "grant-000"]
        claims = tuple(claim(data, grant) for grant in grants for data in own)
        facts = found["facts"]["grant-000"]
        results = Results(tuple(grants), claims, facts=dict.fromkeys(grants, facts), untouched={})
        contracts = find(generated(folder / "many", REPORTED))
        began = time.perf_counter()
        about = provenance.gather(contracts, (), "grantproof verify many")
        bundle.write(results, about, folder / "all")
        took = time.perf_counter() - began
        size = (folder / "all" / page.NAME).stat().st_size / 1_000_000
        whole = sum(file.stat().st_size for file in (folder / "all").rglob("*") if file.is_file()) / 1_000_000
    run = a_grant * REPORTED
    print(
        f"reports of {REPORTED} grants, {len(claims):,} claims: {took:5.1f} s, {took / run:5.1%} of {run:,.0f} s run "
        f"(aim 5 %)   page {size:.1f} MB, all {whole:.1f} MB"
    )


if __name__ == "__main__":
    main()
