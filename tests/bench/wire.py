"""Calls on the wire with and without authorisation. Aim: authorisation costs less than 20 % of a mocked call."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from grantproof.aws.staged.stage import Stage
from grantproof.contract import load
from tests.bench.timing import best_of

ROOT = Path(__file__).parent.parent.parent
CALLS = 200


def main() -> None:
    """Print calls per second of an allowed and of a refused call, and what authorisation costs."""
    stage = Stage(load(ROOT / "templates" / "cross-account-ssm"))
    stage.open()
    session = stage.member(stage.contract.principal("reader"))
    ssm = stage.world.client(session, "ssm")
    authoriser = stage.world.authorise

    def calls(authorise: Any) -> None:
        stage.world.authorise = authorise
        for _ in range(CALLS):
            ssm.get_parameter(Name="dva-02-002-Parameter")

    calls(authoriser)
    without, under = best_of(7, lambda: calls(None), lambda: calls(authoriser))
    stage.close()
    cost = (under - without) / without
    print(
        f"wire    without {CALLS / without:5.0f} calls/s   with it {CALLS / under:5.0f} calls/s   "
        f"authorisation costs {cost:5.1%} (aim 20 %)"
    )


if __name__ == "__main__":
    main()
