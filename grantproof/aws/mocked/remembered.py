"""What moto works out anew for every call or service, worked out once in a process.

moto 5.2.5 lists the methods of a service's class at each call, a tenth of what the call takes, and looks through all
folders of botocore for each service's model.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from functools import cache
from unittest.mock import patch

from moto.core import loaders, responses, utils

_method_names = cache(utils.method_names_from_class)
_loader = cache(loaders.create_loader)


@contextmanager
def remembered() -> Generator[None, None, None]:
    """Let moto use what it has worked out before."""
    with (
        patch.object(responses, "method_names_from_class", _method_names),
        patch.object(utils, "create_loader", _loader),
    ):
        yield
