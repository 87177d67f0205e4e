"""Makes moto and botocore faster: what they compute for every call, client or service is computed once in a process.

What moto 5.2.5 repeats: at each call it lists the methods of the service's class, which takes a tenth of the call. For
each service it looks for the model in all folders of botocore. For each error it makes a botocore session. For each KMS
key, also a symmetric one, it generates an RSA key. For each account that uses an AWS managed policy it creates all of
them.

What botocore 1.44 repeats: for each client it reads the shapes of the service's model and the rules for its endpoints,
and creates a class. For each event it inspects the signature of each handler and tries sixty aliases on the name. A
world has at least one client for each caller.
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
_unused_key = cache(generate_private_key)
_policies: Callable[[Any], list[iam.ManagedPolicy]] = iam.IAMBackend._init_aws_policies
_exceptions = cache(ClientExceptionsFactory)
_models: dict[int, ServiceModel] = {}
_make_class = ClientCreator._create_client_class
_classes: dict[ServiceModel, type] = {}
_endpoints: dict[tuple[int, int], EndpointProvider] = {}
#: All words that occur in aliases: the former names of services in the names of events.
_ALIASED = frozenset(part for alias in EVENT_ALIASES for part in alias.split("."))


class _KeyWhenUsed:
    """In place of the RSA key that moto makes for a symmetric KMS key. It is used only by calls that AWS refuses for
    such a key, and is generated then."""

    def __getattr__(self, name: str) -> Any:
        return getattr(_unused_key("SYMMETRIC_DEFAULT"), name)


def _private_key(key_spec: str) -> Any:
    return _KeyWhenUsed() if key_spec == "SYMMETRIC_DEFAULT" else generate_private_key(key_spec)


def _model(description: Mapping[str, Any], service_name: str | None = None) -> ServiceModel:
    """The model of a service, cached by id() of its description. botocore's loader keeps the descriptions, so no two
    have the same id."""
    if id(description) not in _models:
        _models[id(description)] = ServiceModel(description, service_name)
    return _models[id(description)]


def _class(creator: Any, service_name: str, model: ServiceModel) -> type:
    """The class of a service's clients, cached for all sessions. Event handlers can change such a class, but all
    sessions have the same handlers."""
    if model not in _classes:
        _classes[model] = _make_class(creator, service_name, model)
    return _classes[model]


def _endpoint_provider(ruleset_data: Mapping[str, Any], partition_data: object, **others: Any) -> EndpointProvider:
    """The endpoint provider of a service, cached by id() of its rules, which botocore's loader keeps. The other
    arguments depend only on the service. The provider itself caches the endpoints that it has resolved."""
    key = (id(ruleset_data), id(partition_data))
    if key not in _endpoints:
        _endpoints[key] = EndpointProvider(ruleset_data, partition_data, **others)
    return _endpoints[key]


def _accepts_kwargs(function: Any) -> bool:
    """Does a function accept `**kwargs`? Read from the flags of its code, which is faster than `inspect`."""
    code = getattr(function, "__code__", None)
    if code is None:
        return inspect.getfullargspec(function).varkw is not None
    return bool(code.co_flags & inspect.CO_VARKEYWORDS)


class _Events(EventAliaser):  # type: ignore[misc]  # botocore has no types
    """botocore's class, but its aliases are tried only on names that contain a word of an alias."""

    def _alias_event_name(self, event_name: str) -> str:
        aliased = not _ALIASED.isdisjoint(event_name.split("."))
        return str(super()._alias_event_name(event_name)) if aliased else event_name


@lru_cache(maxsize=8)
def _made_policies_of_aws(account: str, partition: str) -> list[iam.ManagedPolicy]:
    """The AWS managed policies of an account, as moto makes them. Their ids come from a random sequence of their own:
    that of moto also gives the names that CloudFormation generates, and these must not depend on what is cached."""
    state = mock_random.getstate()
    mock_random.seed(account)
    try:
        return _policies(SimpleNamespace(account_id=account, region_name=partition))
    finally:
        mock_random.setstate(state)


def _policies_of_aws(backend: iam.IAMBackend) -> list[iam.ManagedPolicy]:
    """In place of moto's method: copies of the cached policies, since each policy counts its own attachments."""
    if not load_iam_aws_managed_policies():
        return []
    policies = [copy(policy) for policy in _made_policies_of_aws(backend.account_id, backend.region_name)]
    for policy in policies:
        policy.tags, policy.versions = {}, [copy(version) for version in policy.versions]
    return policies


@contextmanager
def memoised() -> Generator[None, None, None]:
    """A context in which moto and botocore use the cached versions."""
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
