"""Which kinds of metric there are."""

from __future__ import annotations

from zoo_common.metrics.base import open_metric
from zoo_common.metrics.texts import open_text_metric
from zoo_spec.tasks.metrics import Metric


def metric_kinds() -> dict[str, type[Metric]]:
    """The registered kinds of metrics by name, sorted."""
    opened = (*open_metric.registry, *open_text_metric.registry)
    known = [cls for cls in opened if issubclass(cls, Metric)]
    return {cls.kind: cls for cls in sorted(known, key=lambda cls: cls.kind)}
