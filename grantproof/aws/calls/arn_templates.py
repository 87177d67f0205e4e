"""ARN templates of the action list, such as `arn:${Partition}:sqs:${Region}:${Account}:${QueueName}`, and the names of
the parameters of calls that give the values of their variables."""

from __future__ import annotations

import re
from functools import lru_cache

from grantproof.iam.actions import ResourceType

#: A variable in a template.
VARIABLE = re.compile(r"\$\{(\w+)\}")
#: The variables that the caller's account and region give, and not the parameters of the call.
SCOPE_VARIABLES = ("Partition", "Region", "Account")
#: The bare name of parameters such as `ResourceArn`, which can name a resource of any kind.
RESOURCE = "resource"


def names_for(kind: ResourceType, variable: str) -> set[str]:
    """The possible names of a parameter that gives a variable of the kind's template, as `bare_name` returns them."""
    alone = expression_of(kind.arn)[1] == (variable,)
    return {bare_name(variable), *([bare_name(kind.name), RESOURCE] if alone else [])} - {""}


@lru_cache(maxsize=8192)
def bare_name(name: str) -> str:
    """The name in lower case, without punctuation and without an ending for "name": `queue` for `QueueName`."""
    return re.sub(r"(name|identifier|id|arn)$", "", re.sub(r"[^a-z0-9]", "", name.lower()))


def lower_first(name: str) -> str:
    """The name with a small first letter, as some services write the names of parameters."""
    return name[:1].lower() + name[1:]


#: What a character of a variable's value must match; any character if not listed. A bucket's name has no slash, so the
#: ARN of an object does not match the template of a bucket.
_CHARACTERS = {"BucketName": "[^/]"}


@lru_cache(maxsize=4096)
def expression_of(template: str) -> tuple[re.Pattern[str], tuple[str, ...]]:
    """An ARN template as a regular expression, and its variables except Partition, Region and Account."""
    seen: set[str] = set()
    expression = ""
    for part in re.split(r"(\$\{\w+\})", template):
        match = VARIABLE.fullmatch(part)
        if match is None:
            expression += re.escape(part)
        else:
            characters = _CHARACTERS.get(match[1], ".")
            expression += f"(?P<{match[1]}>{characters}*?)" if match[1] not in seen else f"(?P={match[1]})"
            seen.add(match[1])
    variables = tuple(v for v in dict.fromkeys(VARIABLE.findall(template)) if v not in SCOPE_VARIABLES)
    return re.compile(expression), variables
