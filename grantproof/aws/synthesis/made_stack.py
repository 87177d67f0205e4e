"""Synthesises one stack from its template: conditions, resources in order of dependency, outputs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from grantproof.aws.mocked.deployment import Resource
from grantproof.aws.mocked.nested_templates import nested_file, nested_template
from grantproof.aws.synthesis.made_account import MadeAccount
from grantproof.aws.synthesis.makers import MAKERS, InvalidPrincipal, Made, Making, listed, make
from grantproof.aws.synthesis.stack_cache import CachedStack, StackCache, key_of
from grantproof.aws.templates import parameters
from grantproof.aws.templates.assumed_values import assumed_attribute
from grantproof.aws.templates.carriers import CARRIERS
from grantproof.aws.templates.intrinsics import resolve
from grantproof.aws.templates.pseudo import pseudo_parameters
from grantproof.aws.templates.scope import NotResolved, Scope
from grantproof.aws.templates.template_data import policies_as_text, with_places_cached
from grantproof.contract import Contract
from grantproof.source import read, shown

#: The alias of the contract's stack, then logical IDs through nested stacks.
StackPath = tuple[str, ...]
_NESTED = "AWS::CloudFormation::Stack"


class Refused(Exception):
    """CloudFormation would refuse a stack with these parameters. `stack`: its path; `message`: the refusal."""

    def __init__(self, stack: StackPath, message: str) -> None:
        super().__init__(f"stack {'/'.join(stack)}: {message}")
        self.stack, self.message = stack, message

    def again(self) -> Refused:
        """The same refusal without its traceback, which would keep all objects of the synthesis alive."""
        return type(self)(self.stack, self.message)


class NotMade(Refused, NotResolved):
    """A reference to a resource that a template does not create, or not with these parameters."""


@dataclass
class Shared:
    """What the stacks of a contract share and add to.

    Attributes:
        physical: physical IDs of resources, by path, if those of a real deployment are to be used.
        accounts: the accounts by ID; while a stack is synthesised, only what it adds.
        cache: stacks that were synthesised before.
        conditions, scopes: see `Synthesis`.
    """

    contract: Contract
    physical: Mapping[StackPath, str]
    accounts: dict[str, MadeAccount]
    cache: StackCache
    conditions: dict[StackPath, dict[str, bool]] = field(default_factory=dict)
    scopes: dict[StackPath, Scope] = field(default_factory=dict)

    def stack(self, path: StackPath, account: str, name: str, template: Path, given: Mapping[str, str]) -> MadeStack:
        """Check a stack's parameters and synthesise its resources.

        Raises:
            Refused, NotResolved: see `synthesise`.
        """
        key = key_of(self.contract, path, account, name, template, given)
        found = self.cache.get(key)
        if found is None:
            found = self._made(path, account, name, template, given)
            if isinstance(found, Refused) or not found.account.reached:
                self.cache.stacks[key] = found
        if isinstance(found, Refused):
            raise found.again()  # each raise gets a traceback of its own
        self.accounts[account].add(found.account)
        self.conditions |= found.conditions
        self.scopes |= found.scopes
        return found.stack

    def _made(
        self, path: StackPath, account: str, name: str, template: Path, given: Mapping[str, str]
    ) -> CachedStack | Refused:
        document = with_places_cached(read(template))
        pseudo = pseudo_parameters(account, self.contract.region, name)
        if refused := parameters.refusal(read(template), given, pseudo):
            return Refused(path, refused)
        before, added = self.accounts[account], MadeAccount(account, self.accounts[account])
        truths = parameters.truths(read(template), given, pseudo)
        made = MadeStack(self, path, account, name, template, parameters.scope_of(document, given, pseudo), truths)
        self.accounts[account] = added
        try:
            made.create()
        except Refused as refused_:
            if added.reached:
                raise  # what other stacks have created can decide it
            return refused_.again()
        finally:
            self.accounts[account] = before
        depth = len(path)
        conditions = {p: truths for p, truths in self.conditions.items() if p[:depth] == path}
        scopes = {p: scope for p, scope in self.scopes.items() if p[:depth] == path}
        return CachedStack(made, MadeAccount(account, None, added.reached, added.entities, added.resource_policies),
                         conditions, scopes)  # fmt: skip


class MadeStack:
    """One stack. Resources are synthesised when first referred to, or in the template's order."""

    def __init__(
        self,
        shared: Shared,
        path: StackPath,
        account: str,
        name: str,
        template: Path,
        scope: Scope,
        truths: Mapping[str, bool],
    ) -> None:
        self._shared, self._path, self._account, self._name, self._template = shared, path, account, name, template
        self._document = with_places_cached(read(template))
        self._scope = replace(scope, reference=self.reference, attribute=self.attribute)
        self._scope.evaluated.update(truths)
        self._conditions = dict(truths)
        shared.conditions[path], shared.scopes[path] = self._conditions, self._scope
        self._making: list[str] = []
        self._made: dict[str, Made] = {}
        self._properties: dict[str, Any] = {}
        self._nested: dict[str, MadeStack] = {}
        self._resources: tuple[Resource, ...] | None = None
        self._outputs: dict[str, str] | None = None

    def create(self) -> None:
        """Synthesise every resource whose condition is true.

        Raises:
            NotResolved: a resource cannot be synthesised.
        """
        for name, entry in self._document["Resources"].items():
            if not isinstance(entry, Mapping):
                is_ = "no object"
                if name.startswith("Fn::ForEach::"):
                    is_ = "a loop, which is not worked out under variants; write out the resources that it makes"
                raise NotResolved(f"{read(self._template).place('Resources', name)}: {name} is {is_}")
            if self._exists(entry):
                self.resource(name)

    def _exists(self, entry: Mapping[str, Any]) -> bool:
        return "Condition" not in entry or self._conditions.get(entry["Condition"], False)

    def resource(self, name: str) -> Made:
        """A resource, synthesised on first use.

        Raises:
            NotMade: there is none, or its condition is false.
            NotResolved: it cannot be synthesised, or resources depend on each other in a cycle.
        """
        if name in self._made:
            return self._made[name]
        entry = self._document["Resources"].get(name)
        if entry is None and "Transform" in self._document:
            raise NotResolved(f"{shown(self._template)}: {name} may be made by its Transform, which is not worked out")
        if entry is None or not self._exists(entry):
            raise NotMade(
                self._path, f"Template format error: Unresolved resource dependencies [{name}] in the template"
            )
        if name in self._making:
            raise NotResolved(f"{shown(self._template)}: {' -> '.join((*self._making, name))} wait for each other")
        for other in listed(entry.get("DependsOn")):
            if self._exists(self._document["Resources"][other]):
                self.resource(other)
        self._making.append(name)
        try:
            self._properties[name] = policies_as_text(resolve(entry.get("Properties") or {}, self._scope))
            made = self._make(name, entry["Type"], self._properties[name])
        except InvalidPrincipal as error:
            raise Refused(self._path, str(error)) from None
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            # Properties of an undocumented shape, such as a policy that names no entity.
            raise NotResolved(f"{shown(self._template)}: {name} cannot be worked out: {error!r}") from None
        self._making.pop()
        self._made[name] = made
        return made

    def _make(self, name: str, type_: str, properties: Mapping[str, Any]) -> Made:
        making = self._to_make(name, type_, properties)
        if type_ == _NESTED:
            return self._nest(making)
        return make(making)

    def _to_make(self, name: str, type_: str, properties: Mapping[str, Any]) -> Making:
        path = (*self._path, name)
        known, account = self._shared.physical.get(path, ""), self._shared.accounts[self._account]
        return Making(path, type_, properties, known, self._name, self._template, account, self._scope)

    def _nest(self, it: Making) -> Made:
        template = nested_file(self._shared.contract, it.properties["TemplateURL"])
        if template is None:
            raise NotResolved(
                f"{shown(self._template)}: the template of {it.path[-1]} is not among the contract's uploads"
            )
        if template != nested_template(self._shared.contract, self._template, it.path[-1]):
            # The dependencies of the grant were read from another template, or from none.
            raise NotResolved(
                f"{shown(self._template)}: write the file's whole name in the TemplateURL of {it.path[-1]}"
            )
        given = {
            key: ",".join(map(str, text)) if isinstance(text, list) else str(text)
            for key, text in (it.properties.get("Parameters") or {}).items()
        }
        inner = self._shared.stack(it.path, self._account, f"{self._name}-{it.path[-1]}", template, given)
        self._nested[it.path[-1]] = inner
        return Made(it.physical(None), {f"Outputs.{key}": text for key, text in inner.outputs().items()})

    def reference(self, name: str) -> str:
        """The value of `Ref` of a resource."""
        return self.resource(name).physical_id

    def attribute(self, name: str, attribute: str) -> str:
        """The value of `Fn::GetAtt` of a resource."""
        found, type_ = self.resource(name), self._document["Resources"][name]["Type"]
        if attribute in found.attributes:
            return found.attributes[attribute]
        if (type_ in MAKERS and type_ not in CARRIERS) or type_ == _NESTED:
            raise NotResolved(f"{attribute} of {name} ({type_}) cannot be said without deploying")
        # Generated, as physical IDs are. The suites compare with a deployment, which shows a difference.
        where = self._to_make(name, type_, self._properties[name]).where
        return assumed_attribute(type_, attribute, found.physical_id, where)

    def outputs(self) -> dict[str, str]:
        """The outputs whose conditions are true, by name."""
        if self._outputs is None:
            self._outputs = {
                name: str(resolve(output["Value"], self._scope))
                for name, output in (self._document.get("Outputs") or {}).items()
                if self._exists(output)
            }
        return dict(self._outputs)

    def resources(self, account: str) -> tuple[Resource, ...]:
        """The resources of this stack and of its nested stacks, as in a deployment: paths without the alias of the
        contract's stack, and the account by its alias."""
        if self._resources is None:
            self._resources = tuple(replace(r, path=r.path[1:], account=account) for r in self._all())
        return self._resources

    def _all(self) -> Iterator[Resource]:
        for name, made in self._made.items():
            entry, path = self._document["Resources"][name], (*self._path, name)
            yield Resource(
                path, entry["Type"], made.physical_id, self._account, self._template, entry, self._properties[name]
            )
            if name in self._nested:
                yield from self._nested[name]._all()
