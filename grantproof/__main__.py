"""`python -m grantproof`: as the command `grantproof`."""

from grantproof.cli import console

if __name__ == "__main__":
    console()
