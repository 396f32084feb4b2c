"""Plants defects in the source and says what the parity suite makes of each.

    python tests/parity/mutations.py --only 'dropped*'      those whose names match
    python tests/parity/mutations.py --draw 4 --seed 7      a part of them
    python tests/parity/mutations.py --all-tests            also runs all tests on what parity lets through
    python tests/parity/mutations.py --write docs/mutations.md

What was found is kept in ``.cache/mutations`` for as long as neither the defect nor any source changes. The exit
status is 1 if parity alone lets through a defect of one side.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import sys
import time
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from defects import DEFECTS, Defect
from defects.unproven import UNPROVEN
from planting import ROOT, Outcome, first_failing_test, judge, load_libraries

CACHE = ROOT / ".cache" / "mutations"


class Cache:
    """Outcomes on the disk, by the defect and everything that the suite and the models are made of."""

    def __init__(self, folder: Path) -> None:
        digest = hashlib.sha256()
        for path in sorted([*ROOT.glob("src/**/*.py"), *ROOT.glob("configs/**/*.yaml")]):
            digest.update(f"{path.relative_to(ROOT)}\0".encode() + path.read_bytes())
        self._folder = folder / digest.hexdigest()[:16]

    def get(self, defect: Defect) -> Outcome | None:
        """What is known of it, if anything."""
        path = self._path(defect)
        return Outcome(**json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else None

    def put(self, defect: Defect, outcome: Outcome) -> None:
        """Keep what was found."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self._path(defect).write_text(json.dumps(outcome.as_json()), encoding="utf-8")

    def _path(self, defect: Defect) -> Path:
        return self._folder / f"{defect.digest[:24]}.json"


def run(chosen: Iterable[Defect], cache: Cache, all_tests: bool) -> Iterator[tuple[Defect, Outcome]]:
    """Each defect with what came of it, told on standard error as it is found."""
    loaded = False
    for defect in chosen:
        outcome = cache.get(defect)
        began = time.monotonic()
        needs_tests = all_tests and (outcome is None or (not outcome.caught and outcome.test is None))
        if (outcome is None or needs_tests) and not loaded:
            load_libraries()
            loaded = True
        if outcome is None:
            outcome = judge(defect)
        if all_tests and not outcome.caught and outcome.test is None:
            outcome = Outcome(False, test=first_failing_test(defect))
        cache.put(defect, outcome)
        named = "" if not outcome.caught else " named" if outcome.names(defect) else " NOT NAMED"
        test = "" if outcome.test is None else f" {outcome.test or 'NO TEST'}"
        print(
            f"{defect}: {outcome.where}{test}{named} [{time.monotonic() - began:.0f} s] "
            f"{outcome.side} {outcome.block} {outcome.gap} {outcome.raised or outcome.detail}",
            file=sys.stderr,
            flush=True,
        )
        yield defect, outcome


def table(found: list[tuple[Defect, Outcome]]) -> str:
    """What came of them all, as Markdown."""
    one_sided = [(defect, outcome) for defect, outcome in found if defect.side != "both"]
    caught = [(defect, outcome) for defect, outcome in one_sided if outcome.caught]
    named = [defect for defect, outcome in caught if outcome.names(defect)]
    shared = [outcome for defect, outcome in found if defect.side == "both"]
    tried = [outcome for _, outcome in found if not outcome.caught and outcome.test is not None]
    lines = [
        "# Mutations",
        "",
        "Defects planted in the source, one text for another, and what `zoo parity --small` made of each; written by",
        "`make mutations`. The suite's code knows none of them. Named: the report has the side, and the block,",
        "parameter or moment, in which the defect was planted.",
        "",
        f"- on one side: {len(one_sided)} planted, {len(caught)} caught by parity alone, {len(named)} named rightly",
        f"- in what both share, which parity alone cannot see: {len(shared)} planted",
        f"- of those that parity let through, all tests were run on {len(tried)}, and caught "
        f"{sum(bool(outcome.test) for outcome in tried)}",
        "",
        "| kind | planted | spec | in torch | in TensorFlow |",
        "| --- | --- | --- | --- | --- |",
    ]
    rows: dict[tuple[str, str, str], dict[str, str]] = {}
    for defect, outcome in one_sided:
        cells = rows.setdefault((defect.kind, defect.name, defect.spec), {})
        cells[defect.side] = _cell(defect, outcome)
    lines += [
        f"| {' | '.join(key)} | {cells.get('torch', '—')} | {cells.get('tf', '—')} |"
        for key, cells in sorted(rows.items())
    ]
    lines += ["", "| kind | planted in what both share | caught by |", "| --- | --- | --- |"]
    lines += [
        f"| {defect.kind} | {defect.name} | {_test(outcome)} |"
        for defect, outcome in found
        if defect.side == "both"
    ]
    return "\n".join([*lines, ""])


def _cell(defect: Defect, outcome: Outcome) -> str:
    if not outcome.caught:
        return f"**not caught**; {_test(outcome)}"
    return f"{outcome.where}, {'named' if outcome.names(defect) else 'not named'}"


def _test(outcome: Outcome) -> str:
    if outcome.caught:
        return outcome.where
    if outcome.test is None:
        return "tests not run"
    return f"`{outcome.test}`" if outcome.test else "no test"


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", metavar="PATTERN", help="of names, kinds, specs or sides")
    parser.add_argument(
        "--draw", type=int, metavar="N", help="a part of those on one side that parity has been seen to catch"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--all-tests", action="store_true")
    parser.add_argument("--write", type=Path, metavar="FILE")
    parser.add_argument("--list", action="store_true")
    given = parser.parse_args()
    chosen = [
        defect
        for defect in DEFECTS
        if given.only is None
        or any(
            fnmatchcase(text, given.only)
            for text in (defect.name, str(defect), defect.kind, defect.spec, defect.side)
        )
    ]
    if given.draw is not None:
        one_sided = [defect for defect in chosen if defect.side != "both" and str(defect) not in UNPROVEN]
        chosen = random.Random(given.seed).sample(one_sided, given.draw)
    if given.list:
        print(*(f"{defect}: {defect.kind}, {defect.spec}, src/{defect.file}" for defect in chosen), sep="\n")
        return 0
    found = list(run(chosen, Cache(CACHE), given.all_tests))
    print(table(found))
    if given.write:
        given.write.write_text(table(found), encoding="utf-8", newline="\n")
    return int(any(not outcome.caught for defect, outcome in found if defect.side != "both"))


if __name__ == "__main__":
    sys.exit(main())
