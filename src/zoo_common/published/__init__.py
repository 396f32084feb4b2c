"""Weights as their authors or others published them, and what becomes of them here: a run at step 0."""

from zoo_common.published.importing import Imported, import_published
from zoo_common.published.source import Published

__all__ = ["Imported", "Published", "import_published"]
