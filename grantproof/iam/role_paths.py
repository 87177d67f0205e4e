"""The possible paths of the caller's role, if the request does not say it and it matters (rules C45, T31).

The ARN of a session does not contain the path of its role (rule P7), but `aws:PrincipalArn` does. A role is assumed to
have no path, unless a policy mentions one: then it can be the role in that path.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache

from grantproof.iam.glob import Glob, Token, Wild, folded
from grantproof.iam.layers import Layers
from grantproof.iam.pattern import single_value
from grantproof.iam.request import Request

_ARN = "aws:principalarn"
#: The prefix of the names of service-linked roles (IAM User Guide, "Create a service-linked role").
_SERVICE_LINKED = "AWSServiceRoleFor"
#: Stands for a wildcard in a path.
_ANY = "any"


def with_other_paths(request: Request, layers: Layers) -> Iterator[Request]:
    """The same request by a role of the same name in another path, for each path that can matter. None if the request
    says the role's ARN."""
    caller = request.principal
    if not caller.path_unknown or caller.issuer is None:
        return
    start, name = caller.issuer.rsplit("/", 1)
    if name.startswith(_SERVICE_LINKED) and layers.organization:
        issuer = f"{start}/aws-service-role/{_ANY}/{name}"
        yield replace(request, principal=replace(caller, issuer=issuer, path_unknown=False))
    if _ARN in layers.condition_keys and not any(key.lower() == _ARN for key in request.context):
        for arn in dict.fromkeys(_asked_for(request, layers)):
            yield replace(request, context={**request.context, _ARN: (arn,)})


def _asked_for(request: Request, layers: Layers) -> Iterator[str]:
    """The ARNs with a path that a pattern for `aws:PrincipalArn` matches, of patterns that do not match the ARN without
    a path."""
    plain = request.principal.issuer or ""
    for _, _, policies in layers.sets:
        for _, statement in policies.entries:
            for test in statement.conditions:
                if test.key == _ARN:
                    for pattern in test.values:
                        glob = pattern.resolve(single_value(request.values))
                        if glob is not None and _has_path(glob) and not glob.matches(plain):
                            yield from _in_a_path(glob, plain)


def _has_path(glob: Glob) -> bool:
    """Does a pattern have more slashes than the one before the name of a role?"""
    return sum(token.count("/") for token in glob.tokens if isinstance(token, str)) > 1


@lru_cache(maxsize=4096)
def _in_a_path(glob: Glob, plain: str) -> tuple[str, ...]:
    """ARNs of a role in a path that a pattern matches, whatever their case, the plainest first; at least one if there
    is any. `plain`: the ARN without a path.

    A pattern that matches one consists of three parts, for the text before the path, the path, and the name; a star can
    extend over several.
    """
    start, name = plain.rsplit("/", 1)
    before, after = folded(f"{start}/"), folded(f"/{name}")
    parts = tuple(_symbols(glob))
    heads = [at for at in range(len(parts) + 1) if _matches(parts[:at], before)]
    tails = [at for at in range(len(parts) + 1) if _matches(parts[at:], after)]
    found: dict[str, None] = {}
    for head in heads:
        for tail in tails:
            star = parts[head - 1 : head] == (Wild.ANY,)
            if head <= tail or (star and head == tail + 1):
                path = "".join(one if isinstance(one, str) else _ANY[:1] for one in parts[head:tail])
                path = path or (_ANY if star or parts[tail : tail + 1] == (Wild.ANY,) else "")
                if path:
                    found.setdefault(f"{start}/{path}/{name}")
    return tuple(sorted(found, key=lambda arn: ("//" in arn, len(arn))))


def _symbols(glob: Glob) -> Iterator[Token]:
    for token in glob.tokens:
        if isinstance(token, Wild):
            yield token
        else:
            yield from token


def _matches(parts: tuple[Token, ...], text: str) -> bool:
    return Glob(folded(part) if isinstance(part, str) else part for part in parts).matches(text)
