"""``parity.py FRAMEWORK DEVICE [--small]``: the framework on the device against itself on the host, small specs.

The levels are those of ``zoo parity``: float64 on the device to 1e-10 of float64 on the host; float32 without TF32
and bfloat16, on either, against the latter; and ten training steps.
"""

from __future__ import annotations

import sys

from device_parts.place import place
from device_parts.rows import row, say
from zoo_common.parity.results import LevelResult
from zoo_common.parity.suite import run_parity
from zoo_spec import load_spec
from zoo_spec.shrink import shrunk

SPECS = ("bert_tiny", "unet_tiny", "t5_tiny", "vit_tiny")
STEPS = 10


def main() -> None:
    framework, asked, *small = sys.argv[1:]
    device = place(framework, asked)
    for name in SPECS[:1] if small else SPECS:
        spec = shrunk(load_spec(name, overrides=["training.tf32=false"]))
        try:
            report = run_parity(
                spec,
                level="curve",
                steps=3 if small else STEPS,
                frameworks=(f"{framework}-host", framework),
                device=device,
                dtypes=("float32", "bfloat16"),
                rows=("full",) if small else None,
                watch=_show,
            )
        except Exception as error:
            say(f"{name}: {type(error).__name__}: {error}")
            row(f"{framework} on {device} against the host, {name}: did not run", 1, 0)
            continue
        for level in report.levels:
            what = f"{framework} on {device} against the host, {name}, {level.level}, {level.dtype}"
            row(what, level.value if level.passed or level.value > level.limit else float("inf"), level.limit)


def _show(found: LevelResult) -> None:
    if not found.passed:
        say(
            f"  {found.level}, {found.dtype}: {found.value:.2e} in {found.worst}, "
            f"limit {found.limit:.2e}; {found.detail}"
        )


if __name__ == "__main__":
    main()
