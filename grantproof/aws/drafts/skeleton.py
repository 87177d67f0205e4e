"""Derives a deployable contract from existing templates: stacks, parameter values and accounts, without promises."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from grantproof.aws.combinations.open_parameters import open_parameters
from grantproof.aws.combinations.space import Space
from grantproof.aws.templates import constraints, parameters
from grantproof.aws.templates.pseudo import regions
from grantproof.aws.templates.sampling import samples
from grantproof.aws.templates.scope import NotResolved
from grantproof.contract import Contract, Stack, Upload
from grantproof.contract.stacks import default_name
from grantproof.source import Place, SourceError, read, shown

OWNER = "111111111111"


class CannotDraft(Exception):
    """No contract can be drafted; names the template, the reason and the next step."""


@dataclass(frozen=True)
class Skeleton:
    """A contract without promises, and the parameters whose values were invented."""

    contract: Contract
    invented: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Parameters whose values were made up, by stack."""


def skeleton(templates: Sequence[Path], region: str, given: Mapping[str, str], owner: str = OWNER) -> Skeleton:
    """The contract with a stack for each template that is not nested in another, in the given order, except that
    templates which import exports or read stored parameters come last.

    Args:
        templates: files in one folder, or in folders below it.
        region: in which all stacks are deployed.
        given: parameter values by name, for every template that has a parameter of that name.
        owner: the number of the account in which the stacks are deployed.

    Raises:
        CannotDraft: a file is no template, a parameter needs a value that cannot be invented, or a contract exists.
    """
    folder = _folder(templates)
    documents = {path: _data(path) for path in templates}
    nested = nested_in(documents)
    _refuse_unknown(given, documents.values())
    for path in templates:
        if path not in nested and not _is_template(documents[path]):
            raise CannotDraft(f"{shown(path)} is not a CloudFormation template: it has no Resources.")
    invented: dict[str, frozenset[str]] = {}
    stacks: list[Stack] = []
    for path in sorted(templates, key=lambda path: _sort_key(documents[path])):
        if path in nested:
            continue
        alias = alias_of(path.stem, [stack.alias for stack in stacks])
        known = {**_outputs(stacks), **_exporting(documents[path], stacks)}
        values, made_up = _values(documents[path], path, given, known)
        invented[alias] = frozenset(made_up)
        name = default_name(folder, alias)
        stacks.append(Stack(alias, "owner", path, name, values, Place(path, 1, 1)))
    if not stacks:
        raise CannotDraft("every template is nested in another; name the one that is deployed as well.")
    uploads: tuple[Upload, ...] = ()
    if nested:
        bucket, prefix = _bucket(documents.values(), stacks)
        uploads = (Upload("templates", "owner", bucket, prefix, tuple(sorted(nested))),)
    partition = regions().get(region)
    if partition is None:
        raise CannotDraft(f"{region!r} is not a region; name one such as eu-west-1.")
    numbers = accounts_in([stack.parameters for stack in stacks], owner)
    contract = Contract(
        folder.resolve().name, folder / "contract.yaml", "-", numbers, region, partition, uploads, tuple(stacks), ()
    )
    return _at_their_defaults(contract, invented)


def _at_their_defaults(contract: Contract, invented: Mapping[str, frozenset[str]]) -> Skeleton:
    """Set parameters that may change access to their defaults, for review: a contract that leaves them open would have
    to state what every other value changes."""
    try:
        found = open_parameters(Space(contract))
    except NotResolved:
        return Skeleton(contract, invented)  # what cannot be evaluated is reported when the draft is verified
    given: dict[str, dict[str, str]] = {}
    for item in found:
        default = read(item.stack.template).value["Parameters"][item.parameter].get("Default", "")
        given.setdefault(item.stack.alias, {})[item.parameter] = constraints.text(default)
    stacks = tuple(replace(s, parameters={**s.parameters, **given.get(s.alias, {})}) for s in contract.stacks)
    marked = {alias: invented[alias] | set(given.get(alias, ())) for alias in invented}
    return Skeleton(replace(contract, stacks=stacks), marked)


def _folder(templates: Sequence[Path]) -> Path:
    for path in templates:
        if not path.is_file():
            raise CannotDraft(f"there is no file {shown(path)}.")
    folder = templates[0].parent
    for path in templates:
        if folder.resolve() not in path.resolve().parents:
            raise CannotDraft(f"{shown(path)} is not below {shown(folder)}; put a grant's templates in one folder.")
    if (folder / "contract.yaml").exists():
        raise CannotDraft(f"{shown(folder / 'contract.yaml')} exists; move it away to draft a new one.")
    return folder


def _refuse_unknown(given: Mapping[str, str], documents: Iterable[Any]) -> None:
    known = {name for d in documents if isinstance(d, Mapping) for name in d.get("Parameters") or {}}
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1, 0.5)
            hint = f"Did you mean {near[0]}?" if near else f"They have {', '.join(sorted(known)) or 'none'}."
            raise CannotDraft(f"the templates have no parameter {name}. {hint}")


def _data(path: Path) -> Any:
    try:
        return read(path).value
    except SourceError as error:
        raise CannotDraft(str(error)) from None


def _sort_key(template: Any) -> tuple[bool, bool]:
    """Sort key: first templates that take no values from others, last those that take some and provide none."""
    text = json.dumps(template, default=str)
    takes = '"Fn::ImportValue"' in text or '"AWS::SSM::Parameter::Value<' in text
    gives = '"Export"' in text or '"AWS::SSM::Parameter"' in text
    return takes, takes and not gives


def _is_template(value: Any) -> bool:
    return isinstance(value, Mapping) and isinstance(value.get("Resources"), Mapping)


def nested_in(documents: Mapping[Path, Any]) -> set[Path]:
    """The templates that another of them names as nested."""
    urls = {path: list(_urls(text)) for path, text in documents.items()}
    return {
        path
        for path in documents
        if any(f"/{path.name}" in url for other, named in urls.items() if other != path for url in named)
    }


def _urls(template: Any) -> Iterator[str]:
    for resource in template["Resources"].values() if _is_template(template) else ():
        if isinstance(resource, Mapping) and resource.get("Type") == "AWS::CloudFormation::Stack":
            yield json.dumps(resource.get("Properties", {}).get("TemplateURL"))
    yield from re.findall(r'"Location": ("[^"]*"|\{[^}]*\})', json.dumps(template))


def _bucket(documents: Any, stacks: Sequence[Stack]) -> tuple[str, str]:
    """Bucket and prefix of the nested templates, from their URLs after parameters are replaced."""
    given = {name: value for stack in stacks for name, value in stack.parameters.items()}
    for template in filter(_is_template, documents):
        defaults = {n: str(p["Default"]) for n, p in (template.get("Parameters") or {}).items() if "Default" in p}
        for url in _urls(template):
            text = url
            for name, value in {**defaults, **given}.items():
                text = text.replace("${" + name + "}", value)
            if match := re.search(r"(?:https://|s3://)([a-z0-9.-]+?)(?:\.s3[^/]*)?/(.*)", text):
                return match[1], match[2].strip('"}').rpartition("/")[0]
    return "templates", ""


def alias_of(text: str, taken: Sequence[str]) -> str:
    """An alias derived from a name, with a number where it is taken."""
    bare = re.sub(r"[^A-Za-z0-9]+", "-", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", text)).strip("-").lower()
    bare = bare if re.match(r"[a-z]", bare) else f"x-{bare}".strip("-")
    number, out = 2, bare
    while out in taken:
        out, number = f"{bare}-{number}", number + 1
    return out


#: Twelve digits that are no part of a longer number or a UUID.
_NUMBERS = re.compile(r"(?<![0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-)(?<!\d)\d{12}(?!\d)")


def accounts_in(texts: Any, owner: str) -> dict[str, str]:
    """Account numbers by alias: the owner, and every other account number in the texts."""
    found = [n for n in dict.fromkeys(_NUMBERS.findall(json.dumps(texts))) if n != owner]
    return {"owner": owner, **{f"account-{n}": number for n, number in enumerate(found, 2)}}


def _outputs(stacks: Sequence[Stack]) -> dict[str, str]:
    """References to the outputs of stacks, by name of the output."""
    out = {}
    for stack in stacks:
        for name in read(stack.template).value.get("Outputs") or {}:
            out[name] = f"${{stacks.{stack.alias}.outputs.{name}}}"
    return out


def _exporting(template: Any, stacks: Sequence[Stack]) -> dict[str, str]:
    """Names of stacks, by the parameter of a template that takes such a name for an import: `Network` in
    `${Network}-VpcId`, where a stack exports `${AWS::StackName}-VpcId`."""
    out: dict[str, str] = {}
    for parameter, rest in re.findall(r'"Fn::ImportValue": \{"Fn::Sub": "\$\{(\w+)\}([^"]*)"', json.dumps(template)):
        for stack in stacks:
            if json.dumps(f"${{AWS::StackName}}{rest}") in json.dumps(read(stack.template).value.get("Outputs")):
                out.setdefault(parameter, stack.name)
    return out


#: Values that are tried in this order for a parameter without a default: what reads as somebody's account or role only
#: where no plain text will do.
_CANDIDATES = (
    "example",
    "example-name",
    "Example1",
    "222222222222",
    "arn:aws:iam::222222222222:role/example",
    "arn:aws:iam::222222222222:root",
    "example/example",
    "example.com",
    "https://example.com",
    "example@example.com",
    "10.0.0.0/16",
    "true",
    "1",
    "an-external-id-of-some-length-0123456789",
    "o-exampleorgid",
    "ami-0123456789abcdef0",
    "/example/name",
    "x",
)


def _values(
    template: Any, path: Path, given: Mapping[str, str], outputs: Mapping[str, str]
) -> tuple[dict[str, str], list[str]]:
    """Values for the parameters of a template, and the names of those that were invented or guessed. An output of an
    earlier stack with the name of a parameter is used as its value."""
    values: dict[str, str] = {}
    made_up: list[str] = []
    for name, declared in (template.get("Parameters") or {}).items():
        if name in given:
            values[name] = given[name]
        elif "Default" not in declared and name in outputs:
            values[name] = outputs[name]
            made_up.append(name)
        elif "Default" not in declared:
            values[name] = _invented(name, declared, path, required_kinds(name, template["Resources"]))
            made_up.append(name)
    return values, made_up


_ACCOUNT = "222222222222"
_ROLE = f"arn:aws:iam::{_ACCOUNT}:role/example"
#: Example ARNs, by the word before `Arn` in a parameter's name.
_ARNS = {
    "bus": f"arn:aws:events:us-east-1:{_ACCOUNT}:event-bus/example",
    "bucket": "arn:aws:s3:::example",
    "topic": f"arn:aws:sns:us-east-1:{_ACCOUNT}:example",
    "queue": f"arn:aws:sqs:us-east-1:{_ACCOUNT}:example",
    "function": f"arn:aws:lambda:us-east-1:{_ACCOUNT}:function:example",
    "lambda": f"arn:aws:lambda:us-east-1:{_ACCOUNT}:function:example",
    "secret": f"arn:aws:secretsmanager:us-east-1:{_ACCOUNT}:secret:example-AbCdEf",
    "key": f"arn:aws:kms:us-east-1:{_ACCOUNT}:key/11111111-2222-3333-4444-55555555555a",
    "cmk": f"arn:aws:kms:us-east-1:{_ACCOUNT}:key/11111111-2222-3333-4444-55555555555a",
    "firehose": f"arn:aws:firehose:us-east-1:{_ACCOUNT}:deliverystream/example",
    "layer": f"arn:aws:lambda:us-east-1:{_ACCOUNT}:layer:example:1",
    "policy": "arn:aws:iam::aws:policy/job-function/ViewOnlyAccess",
    "stream": f"arn:aws:kinesis:us-east-1:{_ACCOUNT}:stream/example",
}
_ORGANIZATION = re.compile(r"org(anization)?_?id$")


def required_kinds(name: str, resources: Any) -> list[str]:
    """The values that a template's use of a parameter requires: an account number, a principal, an organization."""
    text = json.dumps(resources, default=str)
    ref = re.escape(json.dumps({"Ref": name}))
    out = []
    if re.search(rf":(iam|sts)::\$\{{{re.escape(name)}\}}:", text):
        out.append(_ACCOUNT)
    if re.search(rf'"(Not)?Principal": \{{[^{{}}]*"AWS": (\[[^\]]*)?{ref}', text):
        out += [_ACCOUNT] if "account" in name.lower() and "arn" not in name.lower() else [_ROLE, _ACCOUNT]
    if re.search(rf'"aws:\w+OrgID": (\[[^\]]*)?{ref}', text, re.IGNORECASE):
        out.append("o-exampleorgid")
    if re.search(rf'"(Not)?Resource": (\[[^\]]*)?{ref}', text):
        out.append(next((arn for word, arn in _ARNS.items() if word in name.lower()), _ARNS["bucket"]))
    return out


def _invented(name: str, declared: Mapping[str, Any], path: Path, asked_for: Sequence[str] = ()) -> str:
    candidates = [*(str(value) for value in declared.get("AllowedValues") or ()), *asked_for]
    hint = name.lower()
    candidates += [_ACCOUNT] if "account" in hint and "arn" not in hint else []
    # 3600: valid as a session duration in seconds, as a port, and as a size.
    candidates += ["3600"] if declared.get("Type") == "Number" else []
    candidates += [_ACCOUNT] if "account" in hint else []
    candidates += [arn for word, arn in _ARNS.items() if "arn" in hint and word in hint]
    candidates += [_ROLE] if "arn" in hint else []
    candidates += ["o-exampleorgid"] if _ORGANIZATION.search(hint) else []
    candidates += [str(declared[limit]) for limit in ("MinValue", "MaxValue") if limit in declared]
    candidates += [*_CANDIDATES, "x" * int(declared.get("MinLength", 1))]
    # A pattern such as `^$|^arn:...` says that the parameter may be left empty.
    candidates += ["", *samples(name, declared)]
    for candidate in candidates:
        try:
            parameters.check({"Parameters": {name: declared}}, {name: candidate})
        except parameters.RefusedParameters:
            continue
        return candidate
    raise CannotDraft(
        f"{read(path).place('Parameters', name)}: parameter {name} needs a value that cannot be made up; "
        f"give one with --parameter {name}=VALUE."
    )
