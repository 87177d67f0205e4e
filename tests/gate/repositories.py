"""For tests: git repositories with a grant, and the result of a change to it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from grantproof.gate.change import Change, changes

ROOT = Path(__file__).parent.parent.parent
GOOD = ROOT / "fixtures" / "broken" / "good"
READ = "parameter/db"
ROLE = Path("grants/reader/role.yaml")
CONTRACT = Path("grants/reader/contract.yaml")


def git(folder: Path, *arguments: str) -> str:
    """Run git as somebody without settings of their own."""
    names = {"GIT_AUTHOR_NAME": "n", "GIT_AUTHOR_EMAIL": "e", "GIT_COMMITTER_NAME": "n", "GIT_COMMITTER_EMAIL": "e"}
    clean = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    clean |= {**names, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    command = ["git", "-C", str(folder), "-c", "protocol.file.allow=always", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, env=clean).stdout  # noqa: S603 - our own


def made(top: Path) -> Path:
    """A repository with one grant on main, and a branch for the change."""
    shutil.copytree(GOOD, top / "grants" / "reader")
    git(top.parent, "init", "--quiet", "--initial-branch=main", str(top))
    commit(top)
    git(top, "switch", "--quiet", "--create", "topic")
    return top


def commit(top: Path) -> None:
    """Commit everything."""
    git(top, "add", "--all")
    git(top, "commit", "--quiet", "--message=change")


def edit(file: Path, old: str, new: str) -> None:
    """Replace text that has to be there."""
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")


def found(top: Path, base: str = "main") -> Change:
    """What the change does."""
    return changes(top / "grants", base)
