"""`grantproof verify templates/` against cfn-lint alone on the same templates. Aim: at most twice.

Both are compiled, as pip installs them: in a working copy the first run compiles grantproof.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.bench.timing import best_of

ROOT = Path(__file__).parent.parent.parent
BIN = Path(sys.executable).parent
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
TEMPLATES = sorted(str(p) for p in (ROOT / "templates").glob("*/*.yaml") if p.name != "contract.yaml")


def run(*command: str) -> None:
    """One process, whose failure is the benchmark's."""
    subprocess.run(command, check=True, capture_output=True, cwd=ROOT, env=ENVIRONMENT)  # noqa: S603 - our own commands


def main() -> None:
    """Print both times and their ratio."""
    lint, verify = best_of(
        3,
        lambda: run(str(BIN / "cfn-lint"), "-c", "I", "--", *TEMPLATES),
        lambda: run(str(BIN / "grantproof"), "verify", "templates"),
    )
    ratio = verify / lint
    print(f"verify  cfn-lint alone {lint:5.2f} s   grantproof verify {verify:5.2f} s   ratio {ratio:4.1f} (aim 2.0)")


if __name__ == "__main__":
    main()
