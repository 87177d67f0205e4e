"""`python -m grantproof`: as the command `grantproof`."""

import sys

if __name__ == "__main__":
    # `python -m` looks for modules in the current folder before all others, and that may be the one that is verified.
    if not sys.flags.safe_path:
        del sys.path[0]

    from grantproof.cli import console

    console()
