"""What CloudFormation made of the templates of one mocked world."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from grantproof.aws.templates import wellformed
from grantproof.aws.templates.template_data import with_places
from grantproof.source import Document, parse

#: Stack ID, and logical ID of a resource or name of an output.
Name = tuple[str, str]


@dataclass
class Built:
    """The results of the deployments in one world. moto does not keep them.

    Attributes:
        documents: the files of templates, by the text that moto was given for each.
        templates: by stack ID, the template after transforms, its objects `Placed`.
        properties: by resource, its properties with functions resolved, their objects `Placed`.
        refused: by resource that was not created, the reason.
        outputs: by output that has no value, the reason.
        deleted: the deleted stacks, by account alias and name.
    """

    documents: dict[str, Document] = field(default_factory=dict)
    templates: dict[str, Any] = field(default_factory=dict)
    properties: dict[Name, Any] = field(default_factory=dict)
    refused: dict[Name, str] = field(default_factory=dict)
    outputs: dict[Name, str] = field(default_factory=dict)
    deleted: set[tuple[str, str]] = field(default_factory=set)

    def as_json(self, document: Document) -> str:
        """The text of a template for moto: the same data as JSON, because moto reads YAML with a loader that builds
        arbitrary Python objects from tags. A hostile template could run code in it."""
        text = json.dumps(document.value)
        self.documents[text] = document
        return text

    def template(self, text: str, where: str) -> Any:
        """The data of a template, its objects `Placed`. `where`: its name in errors, if no file of the grant has it."""
        document = self.documents[text] if text in self.documents else parse(text, Path(where))
        wellformed.check_numbers(document)
        return with_places(document)
