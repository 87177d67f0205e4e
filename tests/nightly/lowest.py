"""Does grantproof verify its grants with the oldest versions of its dependencies that pyproject.toml admits?

Run by `make nightly-lowest`; needs a package registry.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import tomllib
import venv
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


def lowest(dependencies: list[str]) -> list[str]:
    """Each requirement with its lower bound for its version; without a bound, as it is."""
    return [re.sub(r">=\s*", "==", requirement) for requirement in dependencies]


def run(*command: str | Path) -> int:
    """The exit status of a command, which prints as it runs."""
    return subprocess.run(command, cwd=ROOT, check=False).returncode  # noqa: S603 - our own commands


def main() -> int:
    """Install and verify; the exit status of the first that fails."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    requirements = lowest(project["dependencies"])
    print("\n".join(requirements), flush=True)
    with tempfile.TemporaryDirectory(prefix="grantproof-") as folder:
        venv.create(folder, with_pip=True)
        programs = Path(folder) / ("Scripts" if sys.platform == "win32" else "bin")
        pip = (programs / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
        return (
            run(*pip, *requirements)
            or run(*pip, "--no-deps", ROOT)
            or run(programs / "grantproof", "verify", "templates", "--report-dir", Path(folder) / "reports")
        )


if __name__ == "__main__":
    sys.exit(main())
