"""What moto works out anew for every call or service, worked out once in a process.

moto 5.2.5 lists the methods of a service's class at each call, a tenth of what the call takes; looks through all
folders of botocore for each service's model; and makes an RSA key for each KMS key, symmetric ones too.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from functools import cache
from typing import Any
from unittest.mock import patch

from moto.core import loaders, responses, utils
from moto.kms import models as kms
from moto.kms.utils import generate_private_key

_method_names = cache(utils.method_names_from_class)
_loader = cache(loaders.create_loader)
_key_of_no_use = cache(generate_private_key)


def _private_key(key_spec: str) -> Any:
    return (_key_of_no_use if key_spec == "SYMMETRIC_DEFAULT" else generate_private_key)(key_spec)


@contextmanager
def remembered() -> Generator[None, None, None]:
    """Let moto use what it has worked out before."""
    with (
        patch.object(responses, "method_names_from_class", _method_names),
        patch.object(utils, "create_loader", _loader),
        patch.object(kms, "generate_private_key", _private_key),
    ):
        yield
