"""``step_worker.py NAME CASE``: run the steps of one way when asked to; the case is JSON."""

from __future__ import annotations

import sys

from family_steps import Case, setup
from family_steps.products import products
from measure import peak_bytes, serve

FORWARD = {rows: f"forward {rows}" for rows in (1, 8)}


def main() -> None:
    name, case = sys.argv[1], Case.read(sys.argv[2])
    steps = setup(name, case)
    forwards = {what: steps.forward(rows) for rows, what in FORWARD.items()}
    serve({"train": steps.train, **forwards, **products(name, case)}, {"peak": peak_bytes})


if __name__ == "__main__":
    main()
