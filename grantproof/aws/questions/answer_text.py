"""Answers to questions about a deployed grant, as text: every statement by its place."""

from __future__ import annotations

import json
from collections.abc import Iterator

from grantproof.aws.questions.inquiry import Answer, Caller
from grantproof.aws.questions.undeployed import Undeployed
from grantproof.aws.staged.stage import Stage
from grantproof.iam import Cited, Near, Outcome, PolicyType
from grantproof.iam.assumption import in_doubt
from grantproof.iam.explain import RULES
from grantproof.iam.layerwise import Layer
from grantproof.iam.remedy import Change


def lines(stage: Stage, who: Caller, answer: Answer) -> Iterator[str]:
    """An answer as text, every statement with its place; first of all whether it is settled."""
    asked, decision, undeployed = answer.request, answer.decision, Undeployed.from_deployment(stage.deployment)
    word = {Outcome.ALLOWED: "ALLOWED", Outcome.EXPLICIT_DENY: "DENIED", Outcome.IMPLICIT_DENY: "DENIED"}
    settled = not undeployed.unsettles(decision, asked.action)
    if not settled:
        yield f"NOT SETTLED  {who.name}: {asked.action} on {asked.resource}"
        yield f"  {'allowed' if decision.allowed else 'denied'} by what is deployed"
    else:
        yield f"{word[decision.outcome]}  {who.name}: {asked.action} on {asked.resource}"
    yield from undeployed.lines(asked.action)
    if decision.rule:
        yield f"  by rule {decision.rule}: {RULES.get(decision.rule, '')}"
    for layer in answer.layers:
        if layer.statements or layer.type is PolicyType.IDENTITY:
            yield from _layer(stage, layer, limits=settled and layer.type is decision.blocked_by)
    if decision.blocked_by is not None and decision.blocked_by not in [layer.type for layer in answer.layers]:
        yield f"  {decision.blocked_by.value}: there is none, and the request needs one that allows it"
    if decision.depends_on:
        yield f"  not settled: {in_doubt(decision.depends_on)}"
    if answer.remedy is not None and settled:
        yield from _remedy(stage, who, answer)


def _layer(stage: Stage, layer: Layer, *, limits: bool) -> Iterator[str]:
    name = layer.type.value + (f", level {layer.level}" if layer.level else "")
    for cited in layer.denies:
        yield f"  {name}: denied by {shown(stage, cited)}"
    for cited in layer.allows:
        yield f"  {name}: allowed by {shown(stage, cited)}"
    for cited, why in layer.unclear:
        yield f"  {name}: unclear at {shown(stage, cited)}: {why}"
    if not layer.allows:
        near = f"; nearest is {_near(stage, layer.nearest)}" if layer.nearest else ""
        yield f"  {name}: {'nothing allows it, which settles it' if limits else 'nothing allows it'}{near}"


def shown(stage: Stage, cited: Cited) -> str:
    """A statement by its place; by the label of its policy where no template has it."""
    named = f"Sid {cited.sid}" if cited.sid else f"Statement[{cited.statement}]"
    place = stage.origins.place(cited.policy, cited.statement)
    inside = stage.origins.described(cited.policy, cited.statement)
    return f"{place} {named} ({inside})" if place else f"{cited.policy} {named}"


def _near(stage: Stage, near: Near) -> str:
    cited = Cited(near.policy, near.statement, near.sid, "Allow", PolicyType.IDENTITY)
    detail = f": {near.detail}" if near.detail else ""
    return f"{shown(stage, cited)}, whose {near.why.value} does not match{detail}"


def _remedy(stage: Stage, who: Caller, answer: Answer) -> Iterator[str]:
    found = answer.remedy
    if found is None or found.never:
        yield f"  no change of policies allows it: {found.never if found else ''}"
        return
    together = " together" if len(found.changes) > 1 else ""
    yield f"  smallest change that would allow it, tried by deciding again{together}:"
    for change in found.changes:
        yield f"    {_change(stage, who, answer, change)}"


def _change(stage: Stage, who: Caller, answer: Answer, change: Change) -> str:
    at = f" of {shown(stage, change.cited)}" if change.cited else ""
    if change.kind == "request":
        keys = ", ".join(f"{key}={', '.join(values)}" for key, values in (change.context or {}).items())
        return (
            f"the request carries {keys or 'fewer keys'}, as the condition{at} asks" if keys else f"the condition{at}"
        )
    if change.kind == "deny":
        return f"the Deny{at} spares it"
    where = _where(stage, who, answer, change)
    return f"a statement in the {change.layer.value}{where}: {json.dumps(change.statement)}"


def _where(stage: Stage, who: Caller, answer: Answer, change: Change) -> str:
    resource = answer.request.resource or ""
    labels = {
        PolicyType.IDENTITY: [policy.label for policy in who.identity],
        PolicyType.BOUNDARY: [policy.label for policy in who.boundary or ()],
        PolicyType.TRUST: [f"{resource}#trust"],
    }.get(change.layer, [resource])
    places = [place for label in labels if (place := stage.origins.place(label))]
    return f" at {places[0]}" if places else ""
