"""The author of a change cannot replace the base with which it is compared."""

from __future__ import annotations

from pathlib import Path

import pytest

from grantproof.gate.history import NotCompared
from tests.gate.repositories import READ, ROLE, commit, edit, found, git

WIDER = f"{READ}*"


@pytest.mark.parametrize("kind", ["tags", "heads"])
def test_a_tag_or_branch_with_the_name_of_the_base_is_not_used_as_base(repository: Path, kind: str) -> None:
    """git takes refs/tags/origin/main, then refs/heads/origin/main, before what it fetched from origin."""
    git(repository, "update-ref", "refs/remotes/origin/main", "main")
    edit(ROLE, READ, WIDER)
    commit(repository)
    assert len(found(repository, "origin/main").grants[0].uncovered) == 1
    git(repository, "update-ref", f"refs/{kind}/origin/main", "HEAD")
    with pytest.raises(NotCompared, match=f"may be any of refs/{kind}/origin/main, refs/remotes/origin/main"):
        found(repository, "origin/main")
    assert len(found(repository, "refs/remotes/origin/main").grants[0].uncovered) == 1
    git(repository, "update-ref", f"refs/{kind}/origin/main", "main")
    assert len(found(repository, "origin/main").grants[0].uncovered) == 1, "the same commit, whichever is meant"


def test_a_change_with_two_merge_bases_is_refused(repository: Path) -> None:
    """Each branch merged the other, and one of them kept the access that the other had narrowed: against that commit
    nothing changes."""
    git(repository, "switch", "--quiet", "main")
    edit(ROLE, READ, WIDER)
    commit(repository)
    git(repository, "switch", "--quiet", "--create", "wide")
    Path("unrelated.txt").write_text("x", encoding="utf-8")
    commit(repository)
    wide = git(repository, "rev-parse", "HEAD").strip()
    git(repository, "switch", "--quiet", "main")
    edit(ROLE, WIDER, READ)
    commit(repository)
    narrow = git(repository, "rev-parse", "HEAD").strip()
    git(repository, "merge", "--quiet", "--no-edit", wide)
    git(repository, "switch", "--quiet", "wide")
    git(repository, "merge", "--quiet", "--no-edit", "--strategy=ours", narrow)
    with pytest.raises(NotCompared, match=r"the change began at more than one commit\. Merge main once more"):
        found(repository)
    git(repository, "merge", "--quiet", "--no-edit", "--strategy=ours", "main")
    assert len(found(repository).grants[0].uncovered) == 1
