"""Readers of files: from what lies on a disk to records, each with its place; they know no task.

A reader that is shipped is imported here, and registers itself.
"""

from __future__ import annotations

from zoo_common.data.sources import cldr_names, glue, parallel_text, plain_text, text_table

__all__ = ["cldr_names", "glue", "parallel_text", "plain_text", "text_table"]
