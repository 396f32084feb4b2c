"""Parity as a call, for tests and programs; ``zoo parity`` prints what this raises."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zoo_common.parity.results import ParityReport
    from zoo_spec.experiment import ExperimentSpec


def check(
    spec: str | Path | ExperimentSpec,
    *,
    overrides: Sequence[str] = (),
    level: str = "checkpoint",
    steps: int = 50,
    small: bool = False,
    rows: Collection[str] | None = None,
    dtypes: Collection[str] | None = None,
    device: str = "cpu",
) -> ParityReport:
    """Hold both frameworks against each other on a spec, level by level, as ``zoo parity --spec`` does.

    ``spec`` is a shipped name, a file, or a spec that is loaded already; ``overrides`` are for the first two.
    ``small`` takes the same architecture at a small size, on generated data. The rest is that of ``run_parity``.

    Returns the report of a spec that passed. Raises ParityError, an AssertionError with the ``report``, for one
    that did not; InputError for what is no spec, no level or no dtype; EnvironmentFault where a framework is
    missing or the weights do not fit into memory.
    """
    # Loaded here: whoever reads a tolerance needs neither data nor backends.
    from zoo_common.parity.results import ParityError
    from zoo_common.parity.suite import run_parity
    from zoo_spec import load_spec
    from zoo_spec.errors import InputError
    from zoo_spec.experiment import ExperimentSpec
    from zoo_spec.shrink import shrunk

    if isinstance(spec, ExperimentSpec):
        if overrides:
            raise InputError("overrides go with a spec's name or file; this one is loaded already")
        loaded = spec
    else:
        loaded = load_spec(spec, overrides)
    report = run_parity(
        shrunk(loaded) if small else loaded, level=level, steps=steps, rows=rows, dtypes=dtypes, device=device
    )
    if not report.passed:
        raise ParityError(report)
    return report
