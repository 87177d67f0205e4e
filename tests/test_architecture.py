"""The code is as docs/architecture.md says: which package may import which, what the top level has, and the modules."""

from __future__ import annotations

import ast
import re
import subprocess
import tomllib
from collections import Counter
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "grantproof"
PACKAGES = tuple(
    "iam source contract variants aws evidence children running linting mutants recording stages scheduling processes "
    "gate fleet plugin verbs cli __main__".split()
)
MAY_IMPORT = {
    "iam": {"iam"},
    "source": {"source"},
    "contract": {"contract", "iam", "source"},
    "variants": {"iam", "source", "contract"},
    "aws": {"aws", "iam", "source", "contract", "variants"},
    "evidence": {"evidence", "iam", "source", "contract"},
    "children": set(),
    "running": set(),
    "linting": set(),
    "mutants": {"mutants", "children", "running", "iam", "source", "contract", "variants", "aws", "evidence"},
    "recording": {"recording", "iam", "source", "contract", "aws", "evidence"},
    "stages": {"recording", "contract", "variants", "aws", "evidence"},
    "scheduling": set(),
    "processes": {"children"},
    "plugin": {
        "recording",
        "stages",
        "scheduling",
        "processes",
        "iam",
        "source",
        "contract",
        "variants",
        "aws",
        "evidence",
    },
    "gate": {"gate", "iam", "source", "contract", "variants", "aws", "evidence"},
    "fleet": {"fleet", "iam", "source", "contract", "variants", "aws", "evidence"},
    "verbs": {
        "verbs",
        "iam",
        "source",
        "contract",
        "variants",
        "aws",
        "evidence",
        "running",
        "mutants",
        "gate",
        "fleet",
    },
    "cli": {"verbs"},
    "__main__": {"cli"},
}
# Inside `aws`, a folder imports those above it; folders on one line do not import each other.
FLOORS = (
    {"isolation", "lean_import"},
    {"__init__"},  # of `aws` itself: moto is imported there, isolated
    {"templates"},
    {"mocked"},
    {"held"},
    {"calls", "synthesis"},
    {"combinations", "staged"},
    {"real", "questions", "drafts"},
)
MODULES = sorted(PACKAGE.rglob("*.py"))


def package_of(path: Path) -> str:
    first = path.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py")


def imported(path: Path) -> set[str]:
    """The modules of ours that a file imports, inside functions too."""
    out = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            out.add(node.module)
            out |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            out |= {alias.name for alias in node.names}
        assert not (isinstance(node, ast.ImportFrom) and node.level), f"{path}: relative import"
    return {name for name in out if name.split(".")[0] == "grantproof"}


def test_every_module_is_in_a_package_that_is_listed() -> None:
    assert {package_of(path) for path in MODULES} == {*PACKAGES, "__init__"}


def test_no_two_test_modules_have_the_same_name() -> None:
    """pytest also collects the suites in this process, outside packages, so a module name must be unique."""
    names = Counter(path.name for path in (ROOT / "tests").rglob("test_*.py"))
    assert [name for name, number in names.items() if number > 1] == []


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_imports_only_what_its_package_may(path: Path) -> None:
    if package_of(path) == "__init__":
        assert imported(path) == set()
        return
    for name in imported(path):
        parts = name.split(".")
        if len(parts) > 1 and parts[1] in PACKAGES:
            assert parts[1] in MAY_IMPORT[package_of(path)], f"{path} imports {name}"


def floor(name: str) -> int:
    return next(number for number, folders in enumerate(FLOORS) if name in folders)


@pytest.mark.parametrize("path", sorted((PACKAGE / "aws").rglob("*.py")), ids=lambda path: "-".join(path.parts[-2:]))
def test_inside_aws_imports_go_one_way(path: Path) -> None:
    own = path.relative_to(PACKAGE / "aws").parts[0].removesuffix(".py")
    for name in imported(path):
        parts = name.split(".")
        if parts[1] == "aws" and len(parts) > 2 and parts[2] != own:
            assert floor(parts[2]) < floor(own), f"{path} imports {name}"


@pytest.mark.parametrize("path", sorted((PACKAGE / "iam").glob("*.py")), ids=lambda path: path.stem)
def test_the_evaluator_imports_nothing_of_the_comparison(path: Path) -> None:
    assert not any(name.startswith("grantproof.iam.comparison") for name in imported(path))


@pytest.mark.parametrize("path", [p for p in MODULES if package_of(p) == "iam"], ids=lambda path: path.stem)
def test_the_evaluator_and_the_comparison_are_pure(path: Path) -> None:
    """No boto3, no moto, no clock, no files. The action list is data of the library that ships it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        for name in names:
            assert name.split(".")[0] not in {"boto3", "botocore", "moto", "os", "pathlib", "time", "socket", "random"}
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in {"open", "print", "input"}
        if isinstance(node, ast.Attribute):
            assert node.attr not in {"now", "today", "utcnow"}


def test_the_top_level_is_what_the_page_names() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    listed = subprocess.run(["git", "ls-files"], capture_output=True, text=True, check=True, cwd=ROOT).stdout  # noqa: S607
    for name in sorted({line.split("/")[0] for line in listed.splitlines()} - {".gitignore"}):
        assert name in page, f"{name} is at the top level and docs/architecture.md does not name it"


@pytest.mark.parametrize("word", ["/" + "work/", "pypi" + ".org", "files.python" + "hosted", "--index" + "-url "])
def test_no_file_names_a_machine_or_a_registry(word: str) -> None:
    command = ["git", "grep", "--name-only", "--fixed-strings", "-e", word]
    found = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT).stdout  # noqa: S603
    assert found == ""


def test_mypy_reads_every_module_of_moto_that_is_imported() -> None:
    """Modules that mypy skips are Any, so wrong calls of them would pass."""
    overrides = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["mypy"]["overrides"]
    (read,) = (one["module"] for one in overrides if one.get("follow_imports") == "normal")
    site = Path(str(find_spec("moto").origin)).parent.parent
    ours = set()
    for node in (node for path in MODULES for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))):
        if isinstance(node, ast.ImportFrom) and node.module:
            modules = [f"{node.module}.{alias.name}" for alias in node.names]
            ours |= {node.module, *(name for name in modules if (site / f"{name.replace('.', '/')}.py").exists())}
        elif isinstance(node, ast.Import):
            ours |= {alias.name for alias in node.names}
    ours = {name for name in ours if name.split(".")[0] == "moto"}
    assert len(ours) > 10
    whole = tuple(f"{one[:-2]}." for one in read if one.endswith(".*"))
    assert {name for name in ours if name not in read and not f"{name}.".startswith(whole)} == set()


def modules_named() -> dict[str, list[str]]:
    """Folder of the package to the modules that the tables of docs/architecture.md name in it."""
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    inside = page[page.index("## Modules of each package") : page.index("## Decisions taken")]
    named: dict[str, list[str]] = {}
    for section in inside.split("\n### ")[1:]:
        heading, *lines = section.splitlines()
        for first, second in (
            line.strip("| ").split(" | ", 1) for line in lines if line.startswith("| ") and "`" in line
        ):
            folder = heading if ", " not in heading else first
            folder += f"/{first.split('/')[0]}" if "/:" in first else ""
            named.setdefault(folder, []).extend(re.findall(r"`(\w+)`", second))
    return named


def test_the_page_names_each_module_once_in_its_folder() -> None:
    """Whoever adds, renames or removes a module says so in the tables under "Modules of each package"."""
    files = [path.relative_to(PACKAGE) for path in MODULES if path.stem != "__init__"]
    there: dict[str, list[str]] = {}
    for file in files:
        there.setdefault(str(file.parent), []).append(file.stem)
    del there["."]  # these are listed under "Packages and folders", each with what it is
    assert {folder: sorted(names) for folder, names in modules_named().items()} == there


def test_the_changelog_of_a_version_can_be_read_in_one_sitting() -> None:
    """The changelog says what a version does and leaves out how it came about."""
    versions = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").split("\n## ")[1:]
    assert versions
    for version in versions:
        lines = version.splitlines()
        said = "if a rebase brought old lines back, take main's CHANGELOG.md and put yours into a section of it"
        assert len(lines) <= 200, f"{lines[0]} has {len(lines)} lines; {said}"
