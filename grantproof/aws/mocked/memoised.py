"""Speeds moto and botocore up: what they compute anew for every call, client or service is computed once a process.

moto 5.2.5 lists the methods of a service's class at each call, a tenth of what the call takes; looks through all
folders of botocore for each service's model, and starts a session of it to answer with an error; makes an RSA key for
each KMS key, symmetric ones too; and writes all of AWS's managed policies for each account that uses one. botocore 1.44
reads the shapes of a service's model and the rules for its endpoints for each client, makes a class for it, looks into
the signature of each handler of an event, and tries sixty aliases on the name of the event; and a world has a client or
more for everybody who comes.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from copy import copy
from functools import cache, lru_cache
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import botocore.client
import botocore.hooks
import botocore.regions
import botocore.session
from botocore.client import ClientCreator
from botocore.endpoint_provider import EndpointProvider
from botocore.errorfactory import ClientExceptionsFactory
from botocore.hooks import EVENT_ALIASES, EventAliaser
from botocore.model import ServiceModel
from moto.core import loaders, responses, utils
from moto.iam import models as iam
from moto.kms import models as kms
from moto.kms.utils import generate_private_key
from moto.moto_api._internal import mock_random
from moto.settings import load_iam_aws_managed_policies

_method_names = cache(utils.method_names_from_class)
_loader = cache(loaders.create_loader)
_service_name = cache(utils.service_name_from_moto_package_name)
_key_of_no_use = cache(generate_private_key)
_policies: Callable[[Any], list[iam.ManagedPolicy]] = iam.IAMBackend._init_aws_policies
_exceptions = cache(ClientExceptionsFactory)
_models: dict[int, ServiceModel] = {}
_make_class = ClientCreator._create_client_class
_classes: dict[ServiceModel, type] = {}
_endpoints: dict[tuple[int, int], EndpointProvider] = {}
#: Services were once called otherwise in the names of events.
_ALIASED = frozenset(part for alias in EVENT_ALIASES for part in alias.split("."))


class _KeyWhenUsed:
    """moto looks into the RSA key of a symmetric KMS key only for calls that AWS refuses for such a key."""

    def __getattr__(self, name: str) -> Any:
        return getattr(_key_of_no_use("SYMMETRIC_DEFAULT"), name)


def _private_key(key_spec: str) -> Any:
    return _KeyWhenUsed() if key_spec == "SYMMETRIC_DEFAULT" else generate_private_key(key_spec)


def _model(description: Mapping[str, Any], service_name: str | None = None) -> ServiceModel:
    """Of a description that botocore's loader keeps, so that no other gets its id."""
    if id(description) not in _models:
        _models[id(description)] = ServiceModel(description, service_name)
    return _models[id(description)]


def _class(creator: Any, service_name: str, model: ServiceModel) -> type:
    """Every session registers the same handlers, which may add to a class."""
    if model not in _classes:
        _classes[model] = _make_class(creator, service_name, model)
    return _classes[model]


def _endpoint_provider(ruleset_data: Mapping[str, Any], partition_data: object, **others: Any) -> EndpointProvider:
    """Of a service's rules, which botocore's loader keeps, so that no others get their id. It remembers what it has
    resolved. The other arguments depend on the service alone."""
    key = (id(ruleset_data), id(partition_data))
    if key not in _endpoints:
        _endpoints[key] = EndpointProvider(ruleset_data, partition_data, **others)
    return _endpoints[key]


def _accepts_kwargs(function: Any) -> bool:
    """Of what Python has compiled, the flag from which `inspect` would find it."""
    code = getattr(function, "__code__", None)
    if code is None:
        return inspect.getfullargspec(function).varkw is not None
    return bool(code.co_flags & inspect.CO_VARKEYWORDS)


class _Events(EventAliaser):  # type: ignore[misc]  # botocore has no types
    """botocore's own, which tries its aliases only on names in which one can be."""

    def _alias_event_name(self, event_name: str) -> str:
        aliased = not _ALIASED.isdisjoint(event_name.split("."))
        return str(super()._alias_event_name(event_name)) if aliased else event_name


@lru_cache(maxsize=8)
def _of_aws(account: str, partition: str) -> list[iam.ManagedPolicy]:
    """AWS's managed policies as an account of moto's is given them. Their ids are drawn beside the sequence from which
    CloudFormation's names come, which would otherwise depend on whether they had been made before."""
    state = mock_random.getstate()
    mock_random.seed(account)
    try:
        return _policies(SimpleNamespace(account_id=account, region_name=partition))
    finally:
        mock_random.setstate(state)


def _policies_of_aws(backend: iam.IAMBackend) -> list[iam.ManagedPolicy]:
    """Copies, since each counts what it is attached to."""
    if not load_iam_aws_managed_policies():
        return []
    policies = [copy(policy) for policy in _of_aws(backend.account_id, backend.region_name)]
    for policy in policies:
        policy.tags, policy.versions = {}, [copy(version) for version in policy.versions]
    return policies


@contextmanager
def memoised() -> Generator[None, None, None]:
    """While this is entered, moto and botocore use the memoised versions."""
    with (
        patch.object(responses, "method_names_from_class", _method_names),
        patch.object(utils, "create_loader", _loader),
        patch.object(utils, "service_name_from_moto_package_name", _service_name),
        patch.object(kms, "generate_private_key", _private_key),
        patch.object(iam.IAMBackend, "_init_aws_policies", _policies_of_aws),
        patch.object(botocore.client, "ServiceModel", _model),
        patch.object(ClientCreator, "_create_client_class", _class),
        patch.object(botocore.hooks, "accepts_kwargs", _accepts_kwargs),
        patch.object(botocore.regions, "EndpointProvider", _endpoint_provider),
        patch.object(botocore.session, "EventAliaser", _Events),
        patch.object(botocore.session, "ClientExceptionsFactory", _exceptions),
    ):
        yield
