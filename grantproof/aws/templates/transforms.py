"""Transforms, as CloudFormation applies them to a template before it creates anything.

Known are AWS::LanguageExtensions (the loops of Fn::ForEach), AWS::Include and SAM's. Any other transform, such as
CodeDeploy's or a user's own macro, runs in AWS and its result is not known here: the template is refused, with a
message that says what to deploy instead.

Source: CloudFormation Template Reference, "Transform reference", "Fn::ForEach".
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from typing import Any

from grantproof.aws.templates import serverless, wellformed
from grantproof.aws.templates.intrinsics import resolve, text
from grantproof.aws.templates.scope import NotResolved, Scope
from grantproof.aws.templates.template_data import Placed, like, place_of
from grantproof.source import Place

LANGUAGE_EXTENSIONS = "AWS::LanguageExtensions"
INCLUDE = "AWS::Include"
#: Returns the snippet at an s3:// address, its objects `Placed`.
Fetch = Callable[[str], Any]
_LOOP = "Fn::ForEach::"


class TemplateError(ValueError):
    """A template that CloudFormation refuses."""


def process(template: Any, names: Scope, fetch: Fetch) -> Any:
    """A template with its transforms applied.

    Args:
        names: its parameters, pseudo parameters and mappings.
        fetch: reads what AWS::Include includes.

    Raises:
        TemplateError: CloudFormation would refuse it.
        Malformed: likewise, because a part of it has the wrong shape.
        UnknownTransform: it has a transform whose result is not known.
    """
    transforms = _transforms(template)
    for name, arguments in transforms:
        if name == INCLUDE:
            template = _merged(template, fetch(text(_resolved(arguments["Location"], names))))
        elif name not in (LANGUAGE_EXTENSIONS, serverless.TRANSFORM):
            raise UnknownTransform(name, place_of(template, ("Transform",)))
    template = _included(template, names, fetch)
    if LANGUAGE_EXTENSIONS in [name for name, _ in transforms]:
        template = _unrolled(template, names)
    if serverless.TRANSFORM in [name for name, _ in transforms]:
        template = _serverless(template, names)
    elif any(_has_loop(part) for part in template.values()):
        raise TemplateError(f"Fn::ForEach needs the transform {LANGUAGE_EXTENSIONS}")
    wellformed.check_template(template)
    return template


def _serverless(template: Any, names: Scope) -> Any:
    region, partition = str(names.pseudo["AWS::Region"]), str(names.pseudo["AWS::Partition"])
    try:
        return serverless.translated(template, names.parameters, region, partition)
    except serverless.CannotTranslate as error:
        raise TemplateError(f"SAM cannot make a template of it: {error}") from None


class UnknownTransform(TemplateError):
    """A transform that runs in AWS. `place`: where the template names it."""

    def __init__(self, name: str, place: Place | None = None) -> None:
        self.place = place
        near = difflib.get_close_matches(name, (INCLUDE, LANGUAGE_EXTENSIONS, serverless.TRANSFORM), n=1, cutoff=0.8)
        meant = f"did you mean {near[0]}? If not: " if near else ""
        super().__init__(
            f"{meant}the transform {name} runs in AWS, so what it makes of the template is not known here; put the "
            "template that CloudFormation makes of it in its place (aws cloudformation get-template --template-stage "
            "Processed)"
        )


def _resolved(item: Any, names: Scope) -> Any:
    try:
        return resolve(item, names)
    except NotResolved as error:
        raise TemplateError(str(error)) from None


def _transforms(template: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    found = template.get("Transform") or []
    items = found if isinstance(found, list) else [found]
    return [(item, {}) if isinstance(item, str) else (item["Name"], item.get("Parameters") or {}) for item in items]


def _included(value: Any, names: Scope, fetch: Fetch) -> Any:
    """A value with every Fn::Transform replaced by the snippet that it includes. The entries of the snippet are added
    to the object that Fn::Transform is in."""
    if isinstance(value, list):
        return [_included(item, names, fetch) for item in value]
    if not isinstance(value, Mapping):
        return value
    out = like(value, {key: _included(item, names, fetch) for key, item in value.items() if key != "Fn::Transform"})
    if "Fn::Transform" not in value:
        return out
    call = value["Fn::Transform"]
    if isinstance(call, list) and len(call) == 1:
        (call,) = call  # CloudFormation accepts a list of one here
    called = call.get("Name") if isinstance(call, Mapping) else call
    if called != INCLUDE:
        raise UnknownTransform(str(called), place_of(value, ("Fn::Transform",)))
    snippet = fetch(text(_resolved(call["Parameters"]["Location"], names)))
    if not out and not isinstance(snippet, Mapping):
        return snippet
    return _merged(out, snippet)


def _merged(value: Any, snippet: Any) -> Any:
    """The entries of both objects. Objects under the same key are merged too; two different values under the same key
    are refused, since AWS does not document which one takes effect."""
    if not isinstance(snippet, Mapping):
        raise TemplateError("the included snippet is not an object")
    entries, keys_at = dict(snippet), dict(getattr(snippet, "keys_at", {}))
    for key, item in value.items():
        both = isinstance(item, Mapping) and isinstance(entries.get(key), Mapping)
        if not both and entries.get(key, item) != item:
            raise TemplateError(f"{key} stands in the template and in what it includes; take it out of one of them")
        entries[key] = _merged(item, entries[key]) if both else item
    keys_at |= getattr(value, "keys_at", {})
    return Placed(entries, getattr(value, "place", None), keys_at)


def _has_loop(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(str(key).startswith(_LOOP) or _has_loop(item) for key, item in value.items())
    return isinstance(value, list) and any(_has_loop(item) for item in value)


def _unrolled(value: Any, names: Scope) -> Any:
    """A value with every Fn::ForEach replaced by the entries that it generates."""
    if isinstance(value, list):
        return [_unrolled(item, names) for item in value]
    if not isinstance(value, Mapping):
        return value
    entries: dict[str, Any] = {}
    keys_at: dict[str, Place] = dict(getattr(value, "keys_at", {}))
    for key, item in value.items():
        if not key.startswith(_LOOP):
            entries[key] = _unrolled(item, names)
            continue
        for name, found, place in _iterations(key, item, names):
            if name in entries:
                raise TemplateError(f"{key} makes {name} twice")
            entries[name] = found
            if place is not None:
                keys_at[name] = place
    return Placed(entries, getattr(value, "place", None), keys_at)


def _iterations(loop: str, arguments: Any, names: Scope) -> list[tuple[str, Any, Place | None]]:
    """The entries that a loop generates: key, value and position of each."""
    if not isinstance(arguments, list) or len(arguments) != 3 or not isinstance(arguments[2], Mapping):
        raise TemplateError(f"{loop} needs an identifier, a collection and one output")
    identifier, collection, output = arguments
    values = _resolved(collection, names)
    if not isinstance(values, list):
        raise TemplateError(f"the collection of {loop} is not a list: {values!r}")
    out = []
    for given in values:
        # Inner loops are unrolled after the outer identifier is replaced, because they may use it.
        filled = _unrolled(_filled(output, identifier, text(given)), names)
        at = getattr(filled, "keys_at", {})
        out += [(name, item, at.get(name)) for name, item in filled.items()]
    return out


def _filled(value: Any, identifier: str, given: str) -> Any:
    """A value with `${Identifier}`, `Ref` to it, and `&{Identifier}` (letters and digits only) replaced."""
    if isinstance(value, str):
        bare = re.sub(r"[^A-Za-z0-9]", "", given)
        return value.replace("${" + identifier + "}", given).replace("&{" + identifier + "}", bare)
    if isinstance(value, list):
        return [_filled(item, identifier, given) for item in value]
    if not isinstance(value, Mapping):
        return value
    if dict(value) == {"Ref": identifier}:
        return given
    entries = {_filled(key, identifier, given): _filled(item, identifier, given) for key, item in value.items()}
    keys_at = {_filled(key, identifier, given): place for key, place in getattr(value, "keys_at", {}).items()}
    return Placed(entries, getattr(value, "place", None), keys_at)
