"""The parser of a verb: what it does, what its exit statuses mean, and commands to copy."""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Mapping, Sequence

Commands = argparse._SubParsersAction  # argparse has no public name for it
#: What DIR is, wherever a verb takes one.
DIR_HELP = "a grant, or a folder of grants (default: templates)"
_WIDTH = 78


def parser(
    commands: Commands[argparse.ArgumentParser],
    name: str,
    *,
    summary: str,
    about: str,
    statuses: Mapping[int, str],
    examples: Sequence[str],
) -> argparse.ArgumentParser:
    """The parser of the verb `name`. `summary` is its line in the list of verbs; `about`, exit `statuses` and
    `examples` stand in its own help."""
    told = [f"  {status}  {meaning}" for status, meaning in statuses.items()]
    copied = [f"  grantproof {name} {example}".rstrip() for example in examples]
    return commands.add_parser(
        name,
        help=summary,
        description=textwrap.fill(about, _WIDTH),
        epilog="\n".join(["exit status:", *told, "", "examples:", *copied]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
