"""Every command of the README is run here, and prints what the README says."""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path

import pytest

from tests.commands import grantproof

ROOT = Path(__file__).parent.parent
BLOCK = re.compile(r"```console\n(.*?)```", re.DOTALL)


def blocks(file: str) -> list[str]:
    return BLOCK.findall((ROOT / file).read_text(encoding="utf-8"))


def run(command: str, cwd: Path) -> str:
    """A command as the README writes it, with `grantproof` as it is here."""
    words = command.split()
    assert words[0] == "grantproof", command
    done = grantproof(*words[1:], cwd=cwd)
    return done.stdout + done.stderr


def same(text: str) -> str:
    """Without what differs from run to run."""
    return re.sub(r"\d+\.\d+ ?s", "N s", text).strip()


def shown(block: str) -> tuple[str, str]:
    command, _, output = block.partition("\n")
    assert command.startswith("$ ")
    return command[2:], output


def real_output(number: int, block: str, folder: Path) -> str:
    """What the command of a block prints now."""
    command, _ = shown(block)
    if command.startswith("pip install"):
        return block.partition("\n")[2]  # what is installed from a wheel is tried in test_wheel
    if number == FAILING:
        grant = folder / "templates" / "cross-account-ssm"
        shutil.copytree(ROOT / "templates" / "cross-account-ssm", grant)
        text = (grant / "iam.yaml").read_text(encoding="utf-8")
        assert "parameter/${ParameterName}\n" in text
        broken = text.replace("parameter/${ParameterName}\n", "parameter/${ParameterName}*\n")
        (grant / "iam.yaml").write_text(broken, encoding="utf-8")
        return run(command, folder)
    # In a copy of what it names, whose reports no other run writes.
    for name in re.findall(r"\b(?:templates|fixtures|docs)\b\S*", command):
        source, copy = ROOT / name, folder / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, copy)
        else:
            shutil.copy(source, copy)
    return run(command, folder)


#: The block that shows a verification that fails.
FAILING = 1


@pytest.mark.parametrize("number", range(len(blocks("README.md"))))
def test_a_command_prints_what_is_shown(number: int, tmp_path: Path) -> None:
    """`make readme` writes the real output into the README."""
    block = blocks("README.md")[number]
    assert same(real_output(number, block, tmp_path)) == same(shown(block)[1])


def test_the_first_screen_is_one_command_and_its_output_and_one_that_fails() -> None:
    first, second = blocks("README.md")[:2]
    assert first.startswith("$ grantproof verify templates/cross-account-ssm\n")
    assert "\nVERIFIED" in first
    assert "NOT VERIFIED" in second
    assert "templates/cross-account-ssm/iam.yaml:" in second


def test_links_lead_somewhere() -> None:
    files = [ROOT / "README.md", ROOT / "templates" / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").glob("*.md")]
    links = [(file, link) for file in files for link in re.findall(r"\]\(([^)#]+)", file.read_text(encoding="utf-8"))]
    inside = [(file, link) for file, link in links if not link.startswith("http")]
    assert len(inside) > 10
    for file, link in inside:
        assert (file.parent / link).exists(), f"{file}: {link}"


if __name__ == "__main__":
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for number, block in enumerate(blocks("README.md")):
        with tempfile.TemporaryDirectory() as folder:
            real = real_output(number, block, Path(folder)).strip()
        text = text.replace(block, f"$ {shown(block)[0]}\n{real}\n", 1)
    (ROOT / "README.md").write_text(text, encoding="utf-8")
