"""Drafts a contract from existing templates: deploys them, and writes the access that they give.

A draft describes the actual access, not the intended one. What cannot be derived (account numbers, parameter values,
whether the access is intended) is marked `DECIDE`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from grantproof.aws.drafts.drafted import contract_text
from grantproof.aws.drafts.from_export import account_of_export, template_of
from grantproof.aws.drafts.prerequisites import write_prerequisites
from grantproof.aws.drafts.skeleton import OWNER, CannotDraft, Skeleton, skeleton
from grantproof.aws.held.non_policy_access import AccessKind, access_kind, may_give_access
from grantproof.aws.held.policies import SnapshotIncomplete
from grantproof.aws.held.sends import senders
from grantproof.aws.mocked.deploy import DeploymentFailed
from grantproof.aws.staged.stage import Stage
from grantproof.aws.templates import wellformed
from grantproof.aws.templates.template_data import with_places_cached
from grantproof.contract import ContractError, load
from grantproof.iam import IamError
from grantproof.source import SourceError, at, read, shown

__all__ = ["CannotDraft", "draft", "draft_from_snapshot"]


def draft(templates: Sequence[Path], region: str, given: Mapping[str, str], owner: str = OWNER) -> Path:
    """Deploy templates and write the contract of the access that they give into their folder; the path of the contract.

    Raises:
        CannotDraft: as `skeleton`; or they create no role, group, user or policy that a contract can declare.
        DeploymentFailed: a stack could not be created.
    """
    paths = [path.resolve() for path in templates]
    _refuse_oversized(paths)
    return _drafted_from(paths, region, given, owner)


def _drafted_from(paths: Sequence[Path], region: str, given: Mapping[str, str], owner: str) -> Path:
    _refuse_malformed(paths)
    beside = write_prerequisites(paths, given) if all(path.is_file() for path in paths) else None
    try:
        return _drafted(skeleton([*filter(None, [beside]), *paths], region, given, owner))
    except BaseException:
        if beside is not None:
            beside.unlink()
        raise


#: How many resources CloudFormation takes in a template; more take minutes to deploy in the mocked world as well.
#: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html
_MOST_RESOURCES = 500


def _refuse_oversized(templates: Sequence[Path]) -> None:
    """Reject what CloudFormation would not take for its size, before it is evaluated."""
    for path in templates:
        with suppress(SourceError):
            document = read(path)
            found = at(document.value, ("Resources",))
            if isinstance(found, Mapping) and len(found) > _MOST_RESOURCES:
                raise CannotDraft(
                    f"{document.place('Resources')}: there are {len(found):,} resources, and CloudFormation takes "
                    f"{_MOST_RESOURCES} in a template; split it."
                )


def _refuse_malformed(templates: Sequence[Path]) -> None:
    """Reject malformed parameters before they are evaluated. A file that cannot be read is reported by `skeleton`."""
    for path in templates:
        with suppress(SourceError):
            found = with_places_cached(read(path))
            try:
                wellformed.check_parameters(found if isinstance(found, Mapping) else {})
            except wellformed.Malformed as error:
                raise CannotDraft(f"{error.place or shown(path)}: {error}.") from None


#: Types that may create any resource.
_STACKS = frozenset({"AWS::CloudFormation::Stack", "AWS::CloudFormation::StackSet"})


def _undeclarable(stage: Stage) -> Iterator[str]:
    """Resources that may give access and that no contract can declare, with the reason, one text each."""
    for stack in stage.deployment.stacks:
        number = stage.contract.accounts[stack.account]
        for resource in stack.resources:
            if may_give_access(resource.type, resource.properties or resource.written, number):
                yield f"{'/'.join(resource.path)} is an {resource.type}, of which a contract cannot speak"
        waited_for = {name for m in stack.missing for name in re.findall(r"what it takes from (\S+)", m.because)}
        for missing in stack.missing:
            bears = missing.policies or access_kind(missing.type) is AccessKind.DIRECT or missing.type in _STACKS
            if bears or missing.path[-1] in waited_for:
                name = "/".join(missing.path)
                if access_kind(missing.type) is AccessKind.DIRECT and not missing.type.startswith("AWS::IAM::"):
                    yield f"{name} is an {missing.type}, of which a contract cannot speak"
                    continue
                because = missing.because.rstrip(".")
                where = f"{missing.place}: " if missing.place else ""
                yield f"{where}{name} ({missing.type}) is not deployed: the mocked world cannot create {because}"


def _invented_values_hint(found: Skeleton) -> str:
    """A sentence for errors: the parameters with invented values, and how to give real ones; empty without any."""
    names = [
        name
        for stack in found.contract.stacks
        for name in sorted(found.invented.get(stack.alias, ()))
        if "Default" not in read(stack.template).value["Parameters"][name]
    ]
    return f" Made up for this: {', '.join(names)}; give what is real with --parameter NAME=VALUE." if names else ""


def _place_of(stage: Stage, error: str) -> str:
    """The place, as `place: `, of the policy whose label an error begins with; empty where it has none."""
    label, _, statement = error.partition(" Statement[")
    place = stage.origins.place(label, int(statement.partition("]")[0] or 0)) if statement else None
    return f"{place}: " if place else ""


def _drafted(found: Skeleton) -> Path:
    try:
        return _written(found)
    except (CannotDraft, DeploymentFailed) as error:
        raise type(error)(f"{error}{_invented_values_hint(found)}") from None


def _written(found: Skeleton) -> Path:
    stage = Stage(found.contract, partial=True)
    stage.open()
    try:
        try:
            policies = stage.policies
        except SnapshotIncomplete as error:
            raise CannotDraft(f"{error}: no template creates it. Name one that does as well.") from None
        except IamError as error:
            where = _place_of(stage, str(error))
            raise CannotDraft(f"{where}AWS would not accept a policy of the templates: {error}.") from None
        found_ = (*policies.held, *policies.managed, *policies.resource_policies)
        if not any(stage.origins.resource(arn) for arn in found_) and not senders(stage.deployment):
            giving = list(_undeclarable(stage))
            none = "the templates create no role, group, user or policy to promise anything of"
            lost = "nothing is deployed that a contract can promise"
            raise CannotDraft("; ".join([lost if any("is not deployed" in g for g in giving) else none, *giving]) + ".")
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
    """Write a template that creates the entities of an export, and its contract, into a folder; the contract's path.

    Raises:
        CannotDraft: as `template_of`, or the folder contains such files already.
        DeploymentFailed: the template could not be deployed.
    """
    try:
        content = json.loads(export.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise CannotDraft(
            f"{shown(export)} cannot be read: {error}. Give what `aws iam get-account-authorization-details` prints."
        ) from None
    try:
        template = template_of(content, only)
    except CannotDraft as error:
        raise CannotDraft(f"{shown(export)}: {error}") from None
    path = folder / "imported.json"
    if path.exists() or (folder / "contract.yaml").exists():
        raise CannotDraft(f"{shown(folder)} holds a grant already; give another folder with --out.")
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(template, indent=2) + "\n", encoding="utf-8")
    try:
        return _drafted_from([path.resolve()], region, {}, account_of_export(content))
    except BaseException:
        path.unlink()
        raise
