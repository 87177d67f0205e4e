"""SAM templates, translated into CloudFormation by AWS's own translator, without calls to AWS.

The objects of the result have source positions. An object that the translator leaves unchanged keeps its own. A
generated one gets the position of what it was generated from: the role of a function that of the function, a policy
that of the SAM policy template.

Source: SAM Developer Guide, "AWS SAM template anatomy", "Generated CloudFormation resources", "Policy templates".
"""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Iterator, Mapping
from typing import Any
from unittest.mock import patch

from grantproof.aws.templates.template_data import Placed, place_of
from grantproof.source import Key, Place, at

TRANSFORM = "AWS::Serverless-2016-10-31"
_PREFIX = "AWS::Serverless::"
#: By resource type: the property with the code that `sam package` would upload, and the property and value that replace
#: it. The content of code is not examined.
_CODE: Mapping[str, tuple[str, str, str]] = {
    "Function": ("CodeUri", "InlineCode", "packaged by SAM"),
    "LayerVersion": ("ContentUri", "ContentUri", "s3://packaged-by-sam/layer"),
}


class CannotTranslate(Exception):
    """The translator refuses the template, or would need a call to AWS."""


def translated(template: Any, parameters: Mapping[str, Any], region: str, partition: str) -> Any:
    """The CloudFormation template that SAM generates from a SAM template, its objects `Placed`.

    Args:
        template: a SAM template, its objects `Placed`.
        parameters: the values of its parameters.

    Raises:
        CannotTranslate: the message names the resource and says why.
    """
    plain = json.loads(json.dumps(template))
    _check(plain)
    _package(plain)
    known = {**parameters, "AWS::Region": region, "AWS::Partition": partition}
    return _replaced(template, _translate(plain, known, region))


def _check(template: Mapping[str, Any]) -> None:
    for name, resource in template["Resources"].items():
        location = at(resource, ("Properties", "Location"))
        if at(resource, ("Type",)) == f"{_PREFIX}Application" and not isinstance(location, str):
            raise CannotTranslate(f"{name} is an application of the repository in AWS, which is not known here")


def _package(template: dict[str, Any]) -> None:
    """Replace the paths of local code by stand-ins, as `sam package` replaces them by the addresses of uploads."""
    for kind, (key, instead, stand_in) in _CODE.items():
        shared = at(template, ("Globals", kind))
        code_of_all = shared.pop(key) if isinstance(shared, dict) and _is_local(shared.get(key)) else None
        for resource in template["Resources"].values():
            properties = at(resource, ("Properties",))
            if at(resource, ("Type",)) != f"{_PREFIX}{kind}" or not isinstance(properties, dict):
                continue
            if _is_local(properties.get(key)) or (code_of_all and not {key, "InlineCode"} & set(properties)):
                properties.pop(key, None)
                properties[instead] = stand_in


def _is_local(code: Any) -> bool:
    return isinstance(code, str) and not code.startswith("s3://")


def _translate(template: dict[str, Any], known: Mapping[str, Any], region: str) -> Any:
    # The library takes two seconds to import, and most templates are not SAM's.
    try:
        from samtranslator.model.exceptions import ExceptionWithMessage, InvalidDocumentException
        from samtranslator.translator.arn_generator import ArnGenerator
        from samtranslator.translator.transform import transform
    except ImportError:
        raise CannotTranslate("the package aws-sam-translator is missing: install grantproof again") from None
    logging.getLogger("samtranslator").setLevel(logging.CRITICAL)  # it warns that nobody collects its metrics
    try:
        with patch.dict(os.environ, AWS_DEFAULT_REGION=region), patch.object(
            ArnGenerator, "BOTO_SESSION_REGION_NAME", region
        ):  # fmt: skip
            return transform(template, dict(known), _OnlyWhatTheLibraryKnows())
    except InvalidDocumentException as error:
        raise CannotTranslate("; ".join(str(cause.message) for cause in error.causes)) from None
    except ExceptionWithMessage as error:
        raise CannotTranslate(str(error.message)) from None
    except Exception as error:  # malformed templates make the library fail with arbitrary errors
        raise CannotTranslate(f"SAM's translator failed: {type(error).__name__} {error}") from error


class _OnlyWhatTheLibraryKnows:
    """AWS's managed policies that are not in the library's own list: none here, since to list them takes a call."""

    def load(self) -> dict[str, str]:
        return {}


# --- places -----------------------------------------------------------------------------------------------------------


def _replaced(source: Any, made: Mapping[str, Any]) -> Any:
    """A translated template, with the source positions of what each part was generated from."""
    out: dict[str, Any] = {}
    for section, content in made.items():
        if section != "Resources":
            out[section] = _like(content, dict(_by_content(at(source, (section,)))), place_of(source, (section,)))
            continue
        resources = {name: _resource(source, name, resource) for name, resource in content.items()}
        keys_at = {name: found for name in content if (found := _made_for(source, name))}
        out[section] = Placed(resources, place_of(source, ("Resources",)), keys_at)
    return Placed(out, place_of(source), getattr(source, "keys_at", {}))


def _owner(source: Any, name: str) -> str | None:
    """The resource of the source that a resource was generated for: SAM begins the new name with the name of that."""
    written = at(source, ("Resources",)) or {}
    if name in written:
        return name
    sam = (own for own, resource in written.items() if str(at(resource, ("Type",))).startswith(_PREFIX))
    return max((own for own in sam if name.startswith(own)), key=len, default=None)


def _made_for(source: Any, name: str) -> Place | None:
    owner = _owner(source, name)
    return place_of(source, ("Resources", owner)) if owner else place_of(source, ("Transform",))


def _resource(source: Any, name: str, made: Any) -> Any:
    owner = _owner(source, name)
    whole = at(source, ("Resources", owner)) if owner else source
    known = {**dict(_by_content(at(source, ("Globals",)))), **dict(_by_content(whole))}
    out = _like(made, known, _made_for(source, name))
    policies = at(out, ("Properties", "Policies"))
    if owner is None or not isinstance(policies, list):
        return out
    for entry in policies:
        number = re.search(r"Policy(\d+)$", str(at(entry, ("PolicyName",))))
        place = _of_policy(source, owner, int(number[1])) if number else None
        if place is not None and isinstance(entry, Placed):
            _move(entry, place_of(entry), place)
    return out


def _of_policy(source: Any, owner: str, number: int) -> Place | None:
    """The position of the policy with this number in the Policies of a function, which are a list or a single one."""
    path: tuple[Key, ...] = ("Resources", owner, "Properties", "Policies")
    return place_of(source, (*path, number) if isinstance(at(source, path), list) else path)


def _move(value: Any, before: Place | None, place: Place) -> None:
    """Change the position of each object that only has the position of its resource to that of its policy."""
    if isinstance(value, Placed):
        if value.place == before:
            value.place = place
            value.keys_at = dict.fromkeys(value, place)
        for item in value.values():
            _move(item, before, place)
    elif isinstance(value, list):
        for item in value:
            _move(item, before, place)


def _by_content(value: Any) -> Iterator[tuple[str, Placed]]:
    """Each object of the source with its content as JSON; an object comes before those inside it."""
    if isinstance(value, Placed):
        if value:
            yield json.dumps(value, sort_keys=True, default=str), value
        for item in value.values():
            yield from _by_content(item)
    elif isinstance(value, list):
        for item in value:
            yield from _by_content(item)


def _like(value: Any, known: Mapping[str, Placed], place: Place | None) -> Any:
    """A generated value with source positions: of the object with the same content, if the source has one, else
    `place`."""
    if isinstance(value, Mapping):
        same = known.get(json.dumps(value, sort_keys=True, default=str))
        if same is not None:
            return Placed(
                {key: _like(item, known, same.keys_at.get(key, same.place)) for key, item in value.items()},
                same.place,
                same.keys_at,
            )
        keys_at = dict.fromkeys(value, place) if place else {}
        return Placed({key: _like(item, known, place) for key, item in value.items()}, place, keys_at)
    if isinstance(value, list):
        return [_like(item, known, place) for item in value]
    return value
