"""The parser of a command: what the command does, its exit statuses, and examples to copy."""

from __future__ import annotations

import argparse
import difflib
import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import NoReturn

Commands = argparse._SubParsersAction  # argparse has no public name for it
#: The help for DIR, in every command that has it.
DIR_HELP = "a grant, or a folder of grants (default: templates)"
_WIDTH = 78


class Parser(argparse.ArgumentParser):
    """A parser that suggests what a mistyped command or option may have meant."""

    def error(self, message: str) -> NoReturn:
        """Print the error, and exit with status 2."""
        if mistyped := re.search(r"invalid choice: '([^']*)' \(choose from (.*)\)$", message):
            message += _meant(mistyped[1], re.findall(r"[\w-]+", mistyped[2]))
        elif unknown := re.match(r"unrecognized arguments: (--[\w-]+)", message):
            message += _meant(unknown[1], [name for name in self._option_string_actions if name.startswith("--")])
        super().error(message)


def _meant(text: str, known: Iterable[str]) -> str:
    """A hint that names the known word most similar to a mistyped one; empty if none is similar."""
    near = difflib.get_close_matches(text, list(known), 1, 0.6)
    return f". Did you mean {near[0]}?" if near else ""


def parser(
    commands: Commands[argparse.ArgumentParser],
    name: str,
    *,
    summary: str,
    about: str,
    statuses: Mapping[int, str],
    examples: Sequence[str],
) -> argparse.ArgumentParser:
    """The parser of the command `name`. `summary` is its line in the list of commands; its own help has `about`, the
    exit `statuses` and `examples`."""
    explained = [f"  {status}  {meaning}" for status, meaning in statuses.items()]
    commands_to_copy = [f"  grantproof {name} {example}".rstrip() for example in examples]
    command = commands.add_parser(
        name,
        help=summary,
        description=textwrap.fill(about, _WIDTH),
        epilog="\n".join(["exit status:", *explained, "", "examples:", *commands_to_copy]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.set_defaults(verb=command)
    return command
