"""A look at a spec's data: examples with what is to be learned of them marked, sizes, classes, duplicates."""

from zoo_common.report.inspection import array_views, text_views

__all__ = ["array_views", "text_views"]
