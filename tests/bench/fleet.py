"""What verifying a fleet costs: processor seconds for each thousand roles, as accounts and as roles in an account grow,
and the memory of the largest process. Linear is a ratio that does not grow."""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from tests import organisation

ROOT = Path(__file__).parent.parent.parent
#: (accounts, roles in each)
SIZES = ((200, 50), (400, 50), (800, 50), (200, 100), (200, 200))


def seconds(folder: Path, accounts: int, roles: int) -> float:
    """Processor seconds of all processes, which other work on the machine does not change."""
    file = organisation.write(folder / f"{accounts}x{roles}", accounts, roles)
    command = [sys.executable, "-m", "grantproof.cli", "verify", str(organisation.GRANT), "--fleet", str(file)]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, capture_output=True, cwd=file.parent)  # noqa: S603 - our own command
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        start = seconds(folder, 16, 1)
        print(f"fleet: {start:.1f} s of processors to start; without that:")
        base = None
        for accounts, roles in SIZES:
            took = max(seconds(folder, accounts, roles) - start, 0.001)
            each = took / (accounts * roles) * 1_000
            base = base or each
            memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1_024
            size = f"{accounts:>4} accounts x {roles:>3} roles"
            print(
                f"  {size}: {took:6.1f} s, {each:.2f} s a thousand roles ({each / base:.2f}), at most {memory:.0f} MB"
            )
