"""YAML and JSON documents with the place of every value: findings name file, line and column."""

from grantproof.source.cache import cached_files, shown
from grantproof.source.document import Document, Key, Place, SourceError, at
from grantproof.source.files import overlay, read, text_of
from grantproof.source.parsing import document_of_dumped, parse

__all__ = [
    "Document",
    "Key",
    "Place",
    "SourceError",
    "at",
    "cached_files",
    "document_of_dumped",
    "overlay",
    "parse",
    "read",
    "shown",
    "text_of",
]
