"""Drafting a contract from templates that exist: deploy them, and write down what they give.

A draft says what is, not what was meant. What only a person can know (account numbers, parameter values, whether this
much access was wanted at all) is marked `DECIDE`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from grantproof.aws import parameters
from grantproof.aws.deploy import Resource
from grantproof.aws.policies import Held
from grantproof.aws.stage import Stage
from grantproof.contract import Contract, ContractError, Stack, Upload, load
from grantproof.source import Place, SourceError, read, shown

DECIDE = "DECIDE"
OWNER = "111111111111"


class CannotDraft(Exception):
    """Templates of which no contract can be drafted: which, why, what to do."""


# --- from templates to a grant that can be deployed -------------------------------------------------------------------


@dataclass(frozen=True)
class Skeleton:
    """A contract without promises, and which of its values were invented."""

    contract: Contract
    invented: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Parameters whose values were made up, by stack."""


def skeleton(templates: Sequence[Path], region: str, given: Mapping[str, str], owner: str = OWNER) -> Skeleton:
    """A stack for each template that is not nested in another, in the order given.

    Args:
        templates: files in one folder, or in folders below it.
        given: parameter values by name, for every template that has a parameter of that name.

    Raises:
        CannotDraft: a file is no template, a parameter needs a value that cannot be made up, a contract is there.
    """
    folder = _folder(templates)
    documents = {path: _data(path) for path in templates}
    nested = {path for path in templates if _is_nested(path, documents)}
    for path in templates:
        if path not in nested and not _is_template(documents[path]):
            raise CannotDraft(f"{shown(path)} is not a CloudFormation template: it has no Resources.")
    invented: dict[str, frozenset[str]] = {}
    stacks: list[Stack] = []
    for path in templates:
        if path in nested:
            continue
        alias = _alias(path.stem, [stack.alias for stack in stacks])
        values, made_up = _values(documents[path], path, given, _outputs(stacks))
        invented[alias] = frozenset(made_up)
        name = f"{_alias(folder.name, [])}-{alias}"[:128]
        stacks.append(Stack(alias, "owner", path, name, values, Place(path, 1, 1)))
    if not stacks:
        raise CannotDraft("every template is nested in another; name the one that is deployed as well.")
    uploads: tuple[Upload, ...] = ()
    if nested:
        bucket, prefix = _bucket(documents.values(), stacks)
        uploads = (Upload("templates", "owner", bucket, prefix, tuple(sorted(nested))),)
    partition = parameters.regions().get(region)
    if partition is None:
        raise CannotDraft(f"{region!r} is not a region.")
    numbers = _accounts([stack.parameters for stack in stacks], owner)
    contract = Contract(
        folder.resolve().name, folder / "contract.yaml", "-", numbers, region, partition, uploads, tuple(stacks), ()
    )
    return Skeleton(contract, invented)


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


def _data(path: Path) -> Any:
    try:
        return read(path).value
    except SourceError as error:
        raise CannotDraft(str(error)) from None


def _is_template(value: Any) -> bool:
    return isinstance(value, Mapping) and isinstance(value.get("Resources"), Mapping)


def _is_nested(path: Path, documents: Mapping[Path, Any]) -> bool:
    return any(f"/{path.name}" in url for other, text in documents.items() if other != path for url in _urls(text))


def _urls(template: Any) -> Iterator[str]:
    for resource in template["Resources"].values() if _is_template(template) else ():
        if isinstance(resource, Mapping) and resource.get("Type") == "AWS::CloudFormation::Stack":
            yield json.dumps(resource.get("Properties", {}).get("TemplateURL"))
    yield from re.findall(r'"Location": ("[^"]*"|\{[^}]*\})', json.dumps(template))


def _bucket(documents: Any, stacks: Sequence[Stack]) -> tuple[str, str]:
    """Bucket and prefix of the nested templates, as the addresses say once parameters are filled in."""
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


def _alias(text: str, taken: Sequence[str]) -> str:
    bare = re.sub(r"[^A-Za-z0-9]+", "-", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", text)).strip("-").lower()
    bare = bare if re.match(r"[a-z]", bare) else f"x-{bare}".strip("-")
    number, out = 2, bare
    while out in taken:
        out, number = f"{bare}-{number}", number + 1
    return out


def _accounts(texts: Any, owner: str) -> dict[str, str]:
    """The owner, and every other account that is written out."""
    found = [n for n in dict.fromkeys(re.findall(r"(?<!\d)\d{12}(?!\d)", json.dumps(texts))) if n != owner]
    return {"owner": owner, **{f"account-{n}": number for n, number in enumerate(found, 2)}}


def _outputs(stacks: Sequence[Stack]) -> dict[str, str]:
    """References to the outputs of stacks, by the outputs' names."""
    out = {}
    for stack in stacks:
        for name in read(stack.template).value.get("Outputs") or {}:
            out[name] = f"${{stacks.{stack.alias}.outputs.{name}}}"
    return out


#: What is tried where a parameter has no default, in this order.
_CANDIDATES = (
    "example",
    "222222222222",
    "arn:aws:iam::222222222222:role/example",
    "arn:aws:iam::222222222222:root",
    "example-name",
    "Example1",
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
    """Values for the parameters of a template, and which of them were made up or guessed. An output of the same name of
    a stack before it is taken for what is meant."""
    values: dict[str, str] = {}
    made_up: list[str] = []
    for name, declared in (template.get("Parameters") or {}).items():
        if name in given:
            values[name] = given[name]
        elif "Default" not in declared and name in outputs:
            values[name] = outputs[name]
            made_up.append(name)
        elif "Default" not in declared:
            values[name] = _made_up(name, declared, path)
            made_up.append(name)
    return values, made_up


def _made_up(name: str, declared: Mapping[str, Any], path: Path) -> str:
    candidates = [str(value) for value in declared.get("AllowedValues") or ()]
    hint = name.lower()
    candidates += ["222222222222"] if "account" in hint else []
    candidates += ["arn:aws:iam::222222222222:role/example"] if "arn" in hint else []
    candidates += [str(declared[limit]) for limit in ("MinValue", "MaxValue") if limit in declared]
    candidates += [*_CANDIDATES, "x" * int(declared.get("MinLength", 1))]
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


def draft(templates: Sequence[Path], region: str, given: Mapping[str, str], owner: str = OWNER) -> Path:
    """Deploy templates and write the contract of what they give beside them.

    Raises:
        CannotDraft: as `skeleton`; or they create no role, group, user or policy to speak of.
        DeploymentFailed: a stack could not be created.
    """
    found = skeleton([path.resolve() for path in templates], region, given, owner)
    stage = Stage(found.contract, partial=True)
    stage.open()
    try:
        made = (arn for arn in (*stage.policies.held, *stage.policies.managed) if stage.origins.resource(arn))
        if next(made, None) is None:
            raise CannotDraft("the templates create no role, group, user or managed policy to promise anything of.")
        text = contract_text(found, stage)
    finally:
        stage.close()
    found.contract.path.write_text(text, encoding="utf-8")
    try:
        load(found.contract.path)
    except ContractError as error:
        found.contract.path.unlink()
        raise CannotDraft(f"the draft could not be read: {error}") from None
    return found.contract.path


def draft_from_snapshot(export: Path, folder: Path, region: str, only: Sequence[str]) -> Path:
    """Write a template that creates what an export holds, and its contract, into a folder.

    Raises:
        CannotDraft: as `template_of`, or the folder holds such files.
        DeploymentFailed: the template could not be deployed.
    """
    try:
        content = json.loads(export.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise CannotDraft(f"{shown(export)} cannot be read: {error}.") from None
    template = template_of(content, only)
    path = folder / "imported.json"
    if path.exists() or (folder / "contract.yaml").exists():
        raise CannotDraft(f"{shown(folder)} holds a grant already; give another folder with --out.")
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(template, indent=2) + "\n", encoding="utf-8")
    try:
        return draft([path], region, {}, account_of_export(content))
    except BaseException:
        path.unlink()
        raise


# --- from a deployed grant to a contract ------------------------------------------------------------------------------


def contract_text(found: Skeleton, stage: Stage) -> str:
    """The contract of what is deployed, as YAML with comments."""
    documents = [snapshot.as_dict() for snapshot in stage.snapshots().values() if snapshot.account == _owner(found)]
    own = [{k: v for k, v in d.items() if k != "Policies" or ":iam::aws:" not in json.dumps(v)} for d in documents]
    texts = [own, *(stack.parameters for stack in found.contract.stacks)]
    accounts = _accounts(texts, _owner(found))
    found = replace(found, contract=replace(found.contract, accounts=accounts))
    return "\n".join(_Writer(found, stage).lines()) + "\n"


def _owner(found: Skeleton) -> str:
    return found.contract.accounts["owner"]


class _Writer:
    """Writes one contract. Methods are in the order of the file."""

    def __init__(self, found: Skeleton, stage: Stage) -> None:
        self._found, self._stage, self._contract = found, stage, found.contract
        self._names = _references(stage)
        longest_first = "|".join(re.escape(text) for text in sorted(self._names, key=len, reverse=True))
        self._spoken_of = re.compile(rf"(?<![\w-])(?:{longest_first})(?![\w-])")
        self._aliases: dict[str, str] = {}
        for held, resource in self._made():
            alias = _alias(resource.path[-1], list(self._aliases.values()))
            self._aliases[held if isinstance(held, str) else held.arn] = alias

    def lines(self) -> Iterator[str]:
        contract = self._contract
        yield f"# Drafted from what the templates give. {DECIDE} marks what only a person can know: go through each,"
        yield "# ask whether it was meant, and take the mark away."
        yield "version: 1"
        yield f'description: "{DECIDE}: what this grant is for, and who gets what from it."'
        yield ""
        yield "accounts:"
        for alias, number in contract.accounts.items():
            mark = "the account that owns these stacks" if alias == "owner" else "named in the templates; whose is it?"
            yield f'  {alias}: "{number}" # {DECIDE}: {mark}'
        yield f"region: {contract.region} # {DECIDE}"
        yield from self._uploads()
        yield ""
        yield "stacks:"
        for stack in contract.stacks:
            yield from self._stack(stack)
        yield ""
        yield "principals:"
        for held, resource in self._made():
            yield from self._principal(held, resource)

    def _uploads(self) -> Iterator[str]:
        for upload in self._contract.uploads:
            files = [file.relative_to(self._contract.path.parent).as_posix() for file in upload.files]
            yield ""
            yield "uploads:"
            yield f"  {upload.alias}:"
            yield f"    account: {upload.account}"
            yield f"    bucket: {_scalar(upload.bucket)} # {DECIDE}"
            if upload.prefix:
                yield f"    prefix: {_scalar(upload.prefix)}"
            yield f"    files: {json.dumps(files)}"

    def _stack(self, stack: Stack) -> Iterator[str]:
        yield f"  {stack.alias}:"
        yield f"    account: {stack.account} # {DECIDE}: the account in which it is deployed"
        yield f"    template: {_scalar(stack.template.relative_to(self._contract.path.parent).as_posix())}"
        if stack.parameters:
            yield "    parameters:"
        for name, value in stack.parameters.items():
            mark = f" # {DECIDE}: guessed" if name in self._found.invented.get(stack.alias, ()) else ""
            yield f"      {name}: {_scalar(self._abstract(value, outputs=False) if '${' not in value else value)}{mark}"

    def _made(self) -> Iterator[tuple[Held | str, Resource]]:
        """What the stacks created: roles, groups, users, then managed policies."""
        order = {"role": 0, "group": 1, "user": 2}
        policies = self._stage.policies
        for held in sorted(policies.held.values(), key=lambda h: (order[h.kind], h.arn)):
            if resource := self._stage.origins.resource(held.arn):
                yield held, resource
        for arn in sorted(policies.managed):
            if resource := self._stage.origins.resource(arn):
                yield arn, resource

    def _principal(self, held: Held | str, resource: Resource) -> Iterator[str]:
        arn = held if isinstance(held, str) else held.arn
        kind = "policy" if isinstance(held, str) else held.kind
        yield f"  {self._aliases[arn]}: # {_place(resource)}"
        yield f"    {kind}: {_scalar(self._reference(arn, kind, resource))}"
        policies = [self._stage.policies.managed[held]] if isinstance(held, str) else list(held.identity)
        if not isinstance(held, str) and held.kind == "role":
            if entering := self._entering(held.arn):
                yield f"    entered_by: {json.dumps(entering)} # {DECIDE}: these can; should they?"
            if held.max_session != 3600:
                yield f"    max_session: {held.max_session}"
            yield f"    trust: # {DECIDE}: is everybody named here meant to come in?"
            trust = self._documents([f"{held.arn}#trust"])
            yield from self._statements(trust)
        if not isinstance(held, str) and held.boundary is not None:
            yield from self._boundary(held)
        documents = self._documents([policy.label for policy in policies])
        if documents:
            yield f"    allows: # {DECIDE}: is all of this meant?"
            yield from self._statements(documents)
        else:
            yield "    allows: []"

    def _boundary(self, held: Held) -> Iterator[str]:
        for policy in held.boundary or ():
            yield f"    # {DECIDE}: it has the permissions boundary {self._abstract(policy.label)}."

    def _entering(self, role: str) -> list[str]:
        out = []
        for arn, alias in self._aliases.items():
            held = self._stage.policies.held.get(arn)
            if held is None or arn == role:
                continue
            if any(_lets_assume(statement, role) for policy in held.identity for statement in policy.statements):
                out.append(alias)
        return out

    def _documents(self, labels: Sequence[str]) -> list[Any]:
        """The statements of policies as they are deployed."""
        out: list[Any] = []
        for label in labels:
            document = _document(self._stage, label)
            statements = document["Statement"]
            out += statements if isinstance(statements, list) else [statements]
        return out

    def _statements(self, statements: Sequence[Any]) -> Iterator[str]:
        sids = [s.get("Sid") for s in statements]
        for statement in statements:
            entries = {k: v for k, v in statement.items() if k != "Effect" or v != "Allow"}
            if entries.get("Sid") is not None and sids.count(entries["Sid"]) > 1:
                del entries["Sid"]  # one list of statements holds each Sid once
            lead = "      - "
            for key, value in entries.items():
                yield from _entry(lead, key, self._abstract(value))
                lead = "        "

    def _reference(self, arn: str, kind: str, resource: Resource) -> str:
        """An output that is the ARN, else the ARN in terms of the contract."""
        if arn in self._names and ".outputs." in self._names[arn]:
            return self._names[arn]
        return str(self._abstract(arn))

    def _abstract(self, value: Any, *, outputs: bool = True) -> Any:
        """What was deployed, in terms of the contract: names of resources, accounts, region and partition."""
        if isinstance(value, Mapping):
            return {key: self._abstract(item, outputs=outputs) for key, item in value.items()}
        if isinstance(value, list):
            return [self._abstract(item, outputs=outputs) for item in value]
        if not isinstance(value, str):
            return value
        contract = self._contract
        if outputs:
            value = self._spoken_of.sub(lambda match: self._names[match[0]], value) if self._names else value
        for alias, number in contract.accounts.items():
            value = re.sub(rf"(?<!\d){number}(?!\d)", f"${{accounts.{alias}}}", value)
        value = re.sub(rf"\barn:{contract.partition}:", "arn:${partition}:", value)
        return re.sub(rf"(?<=:){re.escape(contract.region)}(?=:)", "${region}", value)


def _references(stage: Stage) -> dict[str, str]:
    """What the stacks created, by the text under which policies speak of it: outputs where there are any, else the
    resources themselves. Short names are left alone, since they stand in other words too."""
    out: dict[str, str] = {}
    for stack in stage.deployment.stacks:
        for resource in stack.resources:
            if _is_generated(resource):
                out[resource.physical_id] = f"${{stacks.{stack.alias}.resources.{'/'.join(resource.path)}}}"
    for stack in stage.deployment.stacks:
        for name, value in stack.outputs.items():
            if len(value) > 8 and (value.startswith("arn:") or value in out):
                out[value] = f"${{stacks.{stack.alias}.outputs.{name}}}"
    return out


def _is_generated(resource: Resource) -> bool:
    """Is what the resource is called made up by CloudFormation, or by AWS, in each deployment anew?"""
    given = resource.properties.values() if isinstance(resource.properties, Mapping) else ()
    name = resource.physical_id.rsplit("/", 1)[-1]
    return len(name) > 8 and name not in [str(value) for value in given if isinstance(value, str)]


def _document(stage: Stage, label: str) -> Any:
    """The document of a policy, as its account holds it."""
    arn, _, name = label.partition("#")
    for snapshot in stage.snapshots().values():
        for policy in snapshot.policies:
            if policy["Arn"] == label:
                return next(v["Document"] for v in policy["PolicyVersionList"] if v["IsDefaultVersion"])
        entities = (
            (snapshot.roles, "RolePolicyList"),
            (snapshot.users, "UserPolicyList"),
            (snapshot.groups, "GroupPolicyList"),
        )
        for found, inline in entities:
            for entity in found:
                if entity["Arn"] != arn:
                    continue
                if name == "trust":
                    return entity["AssumeRolePolicyDocument"]
                return next(p["PolicyDocument"] for p in entity[inline] if p["PolicyName"] == name)
    raise CannotDraft(f"{label} is in no account.")


def _lets_assume(statement: Any, role: str) -> bool:
    if not statement.allow or not any(action.matches("sts:assumerole") for action in statement.actions):
        return False
    patterns = statement.resources or ()
    return any(p.fixed is not None and not p.fixed.everything and p.fixed.matches(role) for p in patterns)


def _place(resource: Resource) -> str:
    return "/".join(resource.path)


def _entry(lead: str, key: str, value: Any) -> Iterator[str]:
    """One entry of an object, in block style; lists of text on a line of their own each where there are several."""
    pad = " " * len(lead)
    if isinstance(value, Mapping):
        yield f"{lead}{key}:"
        for inner, item in value.items():
            yield from _entry(f"{pad}  ", _scalar_key(inner), item)
    elif isinstance(value, list) and len(value) > 1 and all(isinstance(item, str) for item in value):
        yield f"{lead}{key}:"
        yield from (f"{pad}  - {_scalar(item)}" for item in value)
    elif isinstance(value, list):
        yield f"{lead}{key}: {json.dumps(value)}"
    else:
        yield f"{lead}{key}: {_scalar(value)}"


def _scalar(value: Any) -> str:
    """A scalar in YAML, quoted where it has to be."""
    if isinstance(value, str) and re.fullmatch(r"[A-Za-z$][A-Za-z0-9_./:${}-]*", value) and not value.endswith(":"):
        return (
            value
            if value.lower() not in ("true", "false", "null", "yes", "no", "on", "off", "y", "n")
            else f'"{value}"'
        )
    return json.dumps(value)


def _scalar_key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z][A-Za-z0-9_./:-]*", key) else json.dumps(key)


# --- from an export to a template -------------------------------------------------------------------------------------


def template_of(export: Mapping[str, Any], only: Sequence[str] = ()) -> dict[str, Any]:
    """A template that creates what an account holds: the document that GetAccountAuthorizationDetails gives.

    Service-linked roles are left out: AWS makes them. `only` narrows to entities of these names.

    Raises:
        CannotDraft: it is no such document, or holds none of the names.
    """
    if not isinstance(export, Mapping) or "RoleDetailList" not in export:
        raise CannotDraft("this is not what GetAccountAuthorizationDetails gives: it has no RoleDetailList.")
    resources: dict[str, Any] = {}
    for policy in export.get("Policies") or ():
        if ":iam::aws:" not in policy["Arn"] and (not only or policy["PolicyName"] in only):
            _add(resources, policy["PolicyName"], "ManagedPolicy", _managed(policy))
    for group in export.get("GroupDetailList") or ():
        if not only or group["GroupName"] in only:
            _add(resources, group["GroupName"], "Group", _entity(group, "Group"))
    for user in export.get("UserDetailList") or ():
        if not only or user["UserName"] in only:
            extra = {"Groups": user["GroupList"]} if user.get("GroupList") else {}
            _add(resources, user["UserName"], "User", {**_entity(user, "User"), **extra})
    for role in export["RoleDetailList"]:
        if not role["Path"].startswith("/aws-service-role/") and (not only or role["RoleName"] in only):
            _add(resources, role["RoleName"], "Role", _role(role))
    if missing := [name for name in only if name not in json.dumps(resources)]:
        raise CannotDraft(f"the export holds nothing called {missing[0]}.")
    if not resources:
        raise CannotDraft("the export holds no role, user, group or policy of the account's own.")
    _order(resources)
    return {"AWSTemplateFormatVersion": "2010-09-09", "Resources": resources}


def _add(resources: dict[str, Any], name: str, kind: str, properties: Mapping[str, Any]) -> None:
    bare = re.sub(r"[^A-Za-z0-9]", "", name) or kind
    logical = bare if bare not in resources else f"{bare}{kind}"
    resources[logical] = {"Type": f"AWS::IAM::{kind}", "Properties": dict(properties)}


def _managed(policy: Mapping[str, Any]) -> dict[str, Any]:
    version = next((v for v in policy["PolicyVersionList"] if v.get("IsDefaultVersion")), None)
    if version is None:
        raise CannotDraft(f"{policy['Arn']} has no default version in the export.")
    return {
        "ManagedPolicyName": policy["PolicyName"],
        "Path": policy.get("Path", "/"),
        "PolicyDocument": _decoded(version["Document"]),
    }


def _entity(entity: Mapping[str, Any], kind: str) -> dict[str, Any]:
    out: dict[str, Any] = {f"{kind}Name": entity[f"{kind}Name"], "Path": entity.get("Path", "/")}
    inline = [
        {"PolicyName": p["PolicyName"], "PolicyDocument": _decoded(p["PolicyDocument"])}
        for p in entity.get(f"{kind}PolicyList") or ()
    ]
    attached = [p["PolicyArn"] for p in entity.get("AttachedManagedPolicies") or ()]
    if inline:
        out["Policies"] = inline
    if attached:
        out["ManagedPolicyArns"] = attached
    if entity.get("PermissionsBoundary"):
        out["PermissionsBoundary"] = entity["PermissionsBoundary"]["PermissionsBoundaryArn"]
    return out


def _role(role: Mapping[str, Any]) -> dict[str, Any]:
    out = {"AssumeRolePolicyDocument": _decoded(role["AssumeRolePolicyDocument"]), **_entity(role, "Role")}
    if "MaxSessionDuration" in role:
        out["MaxSessionDuration"] = role["MaxSessionDuration"]
    return out


def _decoded(document: Any) -> Any:
    """The CLI gives documents as objects, the API as text, percent-encoded."""
    if not isinstance(document, str):
        return document
    try:
        return json.loads(unquote(document))
    except ValueError:
        raise CannotDraft("a policy document of the export is not JSON.") from None


def _order(resources: dict[str, Any]) -> None:
    """Who names a policy or a group of the template waits for it."""
    by_arn_end = {
        f":policy{r['Properties']['Path']}{r['Properties']['ManagedPolicyName']}": name
        for name, r in resources.items()
        if r["Type"] == "AWS::IAM::ManagedPolicy"
    }
    groups = {r["Properties"]["GroupName"]: n for n, r in resources.items() if r["Type"] == "AWS::IAM::Group"}
    for resource in resources.values():
        properties = resource["Properties"]
        arns = [*properties.get("ManagedPolicyArns", ()), properties.get("PermissionsBoundary", "")]
        waits = [name for end, name in by_arn_end.items() if any(arn.endswith(end) for arn in arns)]
        waits += [groups[name] for name in properties.get("Groups", ()) if name in groups]
        if waits:
            resource["DependsOn"] = sorted(waits)


def account_of_export(export: Mapping[str, Any]) -> str:
    """The account that an export is of."""
    for entries in ("RoleDetailList", "UserDetailList", "GroupDetailList"):
        for entity in export.get(entries) or ():
            return str(entity["Arn"]).split(":")[4]
    return OWNER
