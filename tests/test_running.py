"""The suites in a pytest of their own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

LOOK = """
import sys
from pathlib import Path
from grantproof import running

class Look:
    def pytest_collection_finish(self):
        import grantproof.evidence.junit
        print("loaded by", type(grantproof.evidence.junit.__loader__).__name__)

running.run(Path(sys.argv[1]), ["-s"], [Look()])
"""


def test_pytest_does_not_rewrite_what_it_runs_with(tmp_path: Path) -> None:
    """Whoever has just installed grantproof would wait a second for it."""
    (tmp_path / "suites.ini").write_text("[pytest]\n", encoding="utf-8")
    done = subprocess.run([sys.executable, "-c", LOOK, str(tmp_path)], capture_output=True, text=True, check=False)  # noqa: S603
    assert "loaded by SourceFileLoader" in done.stdout, done.stderr
