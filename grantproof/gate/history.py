"""The base of a change in git: files of a commit, renames, changed lines. Read-only: nothing is checked out."""

from __future__ import annotations

import difflib
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


class NotCompared(Exception):
    """A change cannot be compared with its base. The message says why, and what to do."""


#: In bytes. CloudFormation accepts templates of up to 1 MB.
LARGEST = 20_000_000
TOO_LARGE = "is larger than 20 MB: no template is. Keep it outside the folder of the grants."


@dataclass(frozen=True)
class Base:
    """The commit that a change is compared with. `note`: why it is not the merge base; empty where it is."""

    commit: str
    name: str
    note: str = ""

    def __str__(self) -> str:
        return f"{self.name} ({self.commit[:9]})"


@dataclass(frozen=True)
class Repository:
    """A git repository. `top`: the root of its working tree."""

    top: Path

    @staticmethod
    def containing(folder: Path) -> Repository:
        """The repository that a folder is in.

        Raises:
            NotCompared: none, or there is no git.
        """
        if shutil.which("git") is None:
            raise NotCompared("git is not installed; the gate reads the base of a change with it.")
        if not folder.is_dir():
            raise NotCompared(f"{folder} is not a folder. Name one that holds grants.")
        done = _git(folder, "rev-parse", "--show-toplevel")
        if done.returncode:
            raise NotCompared(
                f"{folder} is in no git repository that may be read; run the gate in a clone. {_said(done)}"
            )
        return Repository(Path(os.fsdecode(done.stdout).rstrip("\n")))

    def _near(self, ref: str) -> str:
        """A hint for an unknown reference: a similar one, and the command to fetch it. In a single-branch clone,
        fetching another branch stores it only with an explicit refspec."""
        remote, _, branch = ref.partition("/")
        fetch = f"git fetch {remote} {branch}:refs/remotes/{ref}" if branch else f"git fetch origin {ref}"
        known = os.fsdecode(_git(self.top, "for-each-ref", "--format=%(refname:short)").stdout).split()
        by_branch = {name.rpartition("/")[2]: name for name in known}
        near = difflib.get_close_matches(branch or remote, by_branch, n=1, cutoff=0.75)
        return f"Did you mean {by_branch[near[0]]}? Or fetch it: {fetch}" if near else f"Fetch it: {fetch}"

    def base(self, ref: str) -> Base:
        """The base of the change: the merge base of `ref` and HEAD.

        Raises:
            NotCompared: there is no such commit, or no common one.
        """
        if re.fullmatch("0{40}|0{64}", ref):
            raise NotCompared(
                "the base is the commit before a new branch: there is none. Name the branch that it goes to."
            )
        if not ref.strip():
            raise NotCompared(
                "--base is empty; a variable that it is taken from may not be set. Give a branch or a commit."
            )
        commit = self._commit(ref)
        if len(meant := self._meant(ref)) > 1:
            raise NotCompared(f"{ref!r} may be any of {', '.join(meant)}, which are not the same; write out which.")
        if self._commit("HEAD") is None:
            raise NotCompared("this repository has no commit yet, so that there is nothing to compare with.")
        if commit is None:
            raise NotCompared(f"there is no commit {ref!r} here. {self._near(ref)}")
        done = _git(self.top, "merge-base", "--all", commit, "HEAD")
        if not done.returncode:
            found, *others = os.fsdecode(done.stdout).split()
            if others:
                raise NotCompared(
                    f"{ref!r} and HEAD were merged into each other, and the change began at more than one commit. "
                    f"Merge {ref} once more, so that one is left."
                )
            return Base(found, ref)
        if self._shallow():
            # A shallow clone lacks the merge base. For the merge commit that CI systems check out, the base is the ref
            # itself.
            return Base(
                commit, ref, f"the clone is shallow: compared with {ref} itself, not with where the change began"
            )
        raise NotCompared(f"{ref!r} and HEAD have no commit in common. Name the branch that the change goes to.")

    def _commit(self, ref: str) -> str | None:
        done = _git(self.top, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}")
        return None if done.returncode else os.fsdecode(done.stdout).strip()

    def _meant(self, ref: str) -> list[str]:
        """The references that an ambiguous short name can mean; empty if all are the same commit. git prefers a tag to
        a branch, and both to a remote branch, so that somebody who can push a tag could substitute the base. Source:
        gitrevisions(7)."""
        where = [f"refs/{kind}{ref}" for kind in ("", "tags/", "heads/", "remotes/")] + [f"refs/remotes/{ref}/HEAD"]
        commits = {name: commit for name in where if (commit := self._commit(name)) is not None}
        return list(commits) if len(set(commits.values())) > 1 else []

    def _shallow(self) -> bool:
        return _git(self.top, "rev-parse", "--is-shallow-repository").stdout.strip() == b"true"

    def within(self, folder: Path) -> str:
        """A folder of the working tree, relative to the root; empty for the root."""
        name = folder.resolve().relative_to(self.top.resolve()).as_posix()
        return "" if name == "." else name

    def write(self, base: Base, folder: str, target: Path) -> None:
        """Write the files of a commit below a folder, unchanged: no git filter runs, and symbolic links are left
        out."""
        listed = _git(
            self.top, "ls-tree", "-r", "-z", "-l", "--full-tree", base.commit, "--", *([f"{folder}/"] if folder else [])
        )
        if listed.returncode:
            raise NotCompared(f"{base} cannot be listed: {_said(listed)}")
        for line in filter(None, listed.stdout.split(b"\0")):
            about, _, name = line.partition(b"\t")
            mode, _, blob, size = os.fsdecode(about).split()
            path = target / os.fsdecode(name)
            if size.isdigit() and int(size) > LARGEST:
                raise NotCompared(f"{os.fsdecode(name)} of {base} {TOO_LARGE}")
            if not mode.startswith("100") or target.resolve() not in path.resolve().parents:
                continue
            found = _git(self.top, "cat-file", "blob", blob)
            if found.returncode:
                raise NotCompared(f"{os.fsdecode(name)} of {base} is not in this clone; fetch it whole. {_said(found)}")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(found.stdout)

    def check(self, folder: Path) -> None:
        """Refuse content below a folder that would not be compared but could be deployed: links to folders, submodules,
        files that are in git and not in the working tree, staged with other content or not watched by git, and files
        too large for templates.

        Raises:
            NotCompared: the first of them.
        """
        name = self.within(folder)
        listed = _git(self.top, "ls-files", "-s", "-z", "--", f"{name}/" if name else ".")
        for line in filter(None, listed.stdout.split(b"\0")):
            about, _, file = line.partition(b"\t")
            path = self.top / os.fsdecode(file)
            if about.startswith(b"160000"):
                raise NotCompared(f"{os.fsdecode(file)} is a submodule, which is not looked into; put its files here.")
            if not os.path.lexists(path):
                raise NotCompared(
                    f"{os.fsdecode(file)} is in git and not in the working tree: check it out, or `git rm` it."
                )
        for unwatched in self._unwatched(name):
            raise NotCompared(
                f"git is told to take {unwatched} for unchanged, so that what is committed may be something else than "
                "the working tree has, which is what is looked at: git update-index --no-assume-unchanged "
                "--no-skip-worktree"
            )
        for staged in sorted(self._names(name) & self._names(name, "--cached", "HEAD")):
            raise NotCompared(
                f"{staged} is staged with other content than the working tree has, which is what is looked at. Stage "
                "it as it is, or take it back: git restore --staged"
            )
        for path in sorted(folder.rglob("*")) if folder.is_dir() else ():
            if path.is_symlink() and (path.is_dir() or not path.exists()):
                raise NotCompared(f"{path} is a link, which is not looked into; put what it leads to in its place.")
            if path.is_file() and path.stat().st_size > LARGEST:
                raise NotCompared(f"{path} {TOO_LARGE}")

    def _unwatched(self, folder: str) -> Iterator[str]:
        """The files below a folder that git takes for unchanged whatever they contain. Source: git-ls-files(1), -v."""
        listed = _git(self.top, "ls-files", "-v", "-z", "--", f"{folder}/" if folder else ".")
        for line in filter(None, os.fsdecode(listed.stdout).split("\0")):
            tag, _, file = line.partition(" ")
            if tag.islower() or tag == "S":
                yield file

    def uncommitted(self, folder: str) -> tuple[str, ...]:
        """The files below a folder, relative to the root of the working tree, that are neither committed nor staged as
        they are there. Sorted."""
        others = _git(self.top, "ls-files", "--others", "--exclude-standard", "-z", "--", folder or ".")
        return tuple(sorted(self._names(folder).union(filter(None, os.fsdecode(others.stdout).split("\0")))))

    def _names(self, folder: str, *options: str) -> set[str]:
        """The files below a folder that `git diff` lists with these options; without any, those that differ from the
        index."""
        quiet = ("--no-ext-diff", "--no-textconv", "--no-renames", "--name-only", "-z")
        done = _git(self.top, "diff", *quiet, *options, "--", folder or ".")
        return set(filter(None, os.fsdecode(done.stdout).split("\0")))

    def renamed(self, base: Base, folder: str) -> dict[str, str]:
        """The files that were renamed since the base: new name to old name."""
        fields = os.fsdecode(self._diff(base, folder, "--name-status", "-z", "--find-renames=40%")).split("\0")
        out, position = {}, 0
        while position < len(fields) - 1:
            status = fields[position]
            if status.startswith(("R", "C")):
                out[fields[position + 2]] = fields[position + 1]
                position += 3
            else:
                position += 2
        return out

    def changed_lines(self, base: Base, folder: str) -> dict[Path, list[int]]:
        """The lines that a change touched, by file, with their current numbers; for removed lines, the line before
        them."""
        out: dict[Path, list[int]] = {}
        lines: list[int] = []
        for line in (
            self._diff(base, folder, "--unified=0", "--find-renames=40%").decode("utf-8", "replace").splitlines()
        ):
            if line.startswith("+++ "):
                lines = out.setdefault(self.top / line[4:].removeprefix("b/").rstrip("\t"), [])
            elif match := _HUNK.match(line):
                first, count = int(match[1]), int(match[2] or 1)
                lines += range(first, first + count) or [max(first, 1)]
        return out

    def _diff(self, base: Base, folder: str, *options: str) -> bytes:
        quiet = ("--no-ext-diff", "--no-textconv", "--no-color", "--src-prefix=a/", "--dst-prefix=b/")
        done = _git(self.top, "diff", *quiet, *options, base.commit, "--", folder or ".")
        if done.returncode:
            raise NotCompared(f"the change since {base} cannot be read: {_said(done)}")
        return done.stdout


_HUNK = re.compile(r"@@ -\S+ \+(\d+)(?:,(\d+))? @@")


def _git(folder: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    """Run git without effects of the user's environment or the repository's settings."""
    command = ["git", "-C", str(folder), "-c", "core.quotepath=off", "-c", "core.fsmonitor=false", *arguments]
    where = {name: value for name, value in os.environ.items() if not name.startswith("GIT_") or name in _KEPT}
    clean = {
        **where,
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "LC_ALL": "C",
    }
    return subprocess.run(command, capture_output=True, check=False, env=clean)  # noqa: S603 - arguments are ours


#: Variables that git sets for hooks, which are kept: a commit in progress can have an index file of its own.
_KEPT = ("GIT_INDEX_FILE", "GIT_CONFIG_COUNT", "GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_OBJECT_DIRECTORY")


def _said(done: subprocess.CompletedProcess[bytes]) -> str:
    return (done.stderr.decode("utf-8", "replace").strip().splitlines() or ["git says nothing"])[0]
