"""A run on much text: seconds to its first step, the first time and the second, and what it holds in memory.

``python benchmarks/large_text.py --size 300MB`` makes a text of that size from what every CPython carries, its words
varied so that the vocabulary does not end, and trains ``bert_tiny`` on it and on a small part, twice each. ``--plot
FILE.png`` draws the memory of both runs over time. Private and anonymous pages are a process's own; pages of files
that are mapped, its libraries' among them, are told apart, and count as resident too.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from zoo_common.data.sources.python_docs import manual

UNITS = {"MB": 10**6, "GB": 10**9}
EVERY = 0.05
"""Seconds between two looks at a process."""
SMALL = 2_000_000


@dataclass
class Watched:
    """What was seen of a run: its seconds and memory, and when its first step was done."""

    first_step: float = 0.0
    samples: list[tuple[float, int, int, int]] = field(default_factory=list)
    """Seconds, own bytes, bytes of mapped files, own bytes of the processes that it started."""

    @property
    def resident(self) -> int:
        return max(own + mapped for _, own, mapped, _ in self.samples)

    @property
    def own(self) -> int:
        return max(own for _, own, _, _ in self.samples)

    @property
    def mapped(self) -> int:
        return max(mapped for _, _, mapped, _ in self.samples)

    @property
    def helpers(self) -> int:
        return max(helpers for *_, helpers in self.samples)


def make_text(path: Path, size: int) -> None:
    """The manual again and again, a word in eight of each copy numbered, topics three lines apart."""
    topics = "\n\n\n".join(manual().values())
    words = re.split(r"(\b[a-z]{5,}\b)", topics)
    with path.open("w", encoding="utf-8") as file:
        written = copy = 0
        while written < size:
            varied = [
                f"{word}{(copy * 31 + place) % 997}" if place % 16 == (1 + 2 * (copy % 8)) else word
                for place, word in enumerate(words)
            ]
            written += file.write("".join(varied)[: size - written] + "\n\n\n")
            copy += 1


def train(text: Path, run_dir: Path, steps: int, framework: str) -> Watched:
    """Train so many steps, and look at the process all the while."""
    command = [
        sys.executable, "-m", "zoo_common.cli.main", "train", "--framework", framework, "--spec", "bert_tiny",
        "--run-dir", str(run_dir), "--device", "cpu", "--set", f"data.files=[{text}]",
        "--set", f"training.steps={steps}", "--set", "training.log_every=1",
        "--set", "training.evaluate_every=null", "--set", "training.schedule={kind: constant}",
        # What is held out is evaluated on after the last step: a tenth of 10 GB would take an hour.
        "--set", "data.evaluation_fraction=0.0001",
    ]  # fmt: skip
    found = Watched()
    begin = time.monotonic()
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=errors)
        me = psutil.Process(process.pid)
        while process.poll() is None:
            now = time.monotonic() - begin
            try:
                found.samples.append((now, *memory(me), sum(memory(each)[0] for each in me.children(True))))
            except psutil.Error:
                continue
            if not found.first_step and has_step(run_dir, steps):
                found.first_step = now
            time.sleep(EVERY)
        errors.seek(0)
        said = errors.read()
    if process.returncode:
        sys.exit(said)
    for line in said.splitlines():
        if "text" in line:
            print(f"    {line}")
    found.first_step = found.first_step or found.samples[-1][0]
    return found


def memory(process: psutil.Process) -> tuple[int, int]:
    """Resident bytes of its own, and of files that are mapped."""
    found = process.memory_info()
    return found.rss - found.shared, found.shared


def has_step(run_dir: Path, steps: int) -> bool:
    """Whether the last run's first step is in its metrics; runs here go on by one step each."""
    path = run_dir / "metrics.jsonl"
    return path.exists() and f'"step": {steps}' in path.read_text().replace('"step":', '"step": ').replace(
        "  ", " "
    )


def plot(path: Path, runs: dict[str, Watched]) -> None:
    """Memory over time of each run."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, len(runs), figsize=(6 * len(runs), 4), squeeze=False, sharey=True)
    for axis, (title, run) in zip(axes[0], runs.items(), strict=True):
        seconds = [sample[0] for sample in run.samples]
        for place, name in ((1, "own"), (2, "mapped files"), (3, "processes that cut the text")):
            axis.plot(seconds, [sample[place] / 1e6 for sample in run.samples], label=name)
        axis.axvline(run.first_step, linestyle=":", color="gray", label="first step")
        axis.axhline(1024**3 / 1e6, linewidth=0.5, color="red")
        axis.set(title=title, xlabel="seconds", ylabel="resident MB")
        axis.legend()
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def judged(name: str, value: float, limit: float, unit: str) -> bool:
    is_good = value <= limit
    print(f"{'pass' if is_good else 'FAIL'}  {name}: {value:,.1f} {unit}, at most {limit:,.0f}")
    return is_good


def parse_size(text: str) -> int:
    number, unit = text[:-2], text[-2:].upper()
    return int(float(number) * UNITS[unit])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", default="300MB", help="of the text: 300MB, 2GB, 10GB")
    parser.add_argument("--plot", type=Path, help="a PNG of memory over time")
    parser.add_argument("--framework", default="torch")
    parser.add_argument(
        "--folder", type=Path, help="where the text and the runs are put; a temporary one else"
    )
    given = parser.parse_args()
    size = parse_size(given.size)
    with tempfile.TemporaryDirectory(dir=given.folder) as name:
        folder = Path(name)
        runs = {}
        for title, each in (("small", min(SMALL, size)), ("large", size)):
            make_text(folder / f"{title}.txt", each)
            for number, when in enumerate(("first", "second"), 1):
                print(f"{title}, the {when} time")
                runs[title, when] = train(folder / f"{title}.txt", folder / title, number, given.framework)
        kept = sum(path.stat().st_size for path in (folder / "large" / "data").rglob("*") if path.is_file())
    first, second, small = runs["large", "first"], runs["large", "second"], runs["small", "second"]
    start = small.first_step
    print(f"\n{size / 1e6:,.0f} MB of text, {kept / 1e6:,.0f} MB kept beside the run")
    for (title, when), run in runs.items():
        print(
            f"{title}, the {when} time: first step at {run.first_step:.1f} s; {run.resident / 1e6:,.0f} MB at most, "
            f"{run.own / 1e6:,.0f} of its own, {run.mapped / 1e6:,.0f} of mapped files; "
            f"{run.helpers / 1e6:,.0f} MB in processes that cut the text"
        )
    is_large = size > 10**9
    results = [
        judged("first step the second time", second.first_step, 30, "s"),
        judged("resident memory the second time", second.resident / 2**20, 1024, "MiB"),
        judged("resident memory the first time", first.resident / 2**20, 1024, "MiB"),
        judged("own memory beyond a small file's", (first.own - runs["small", "first"].own) / 1e6, 200, "MB"),
    ]
    if not is_large:
        beyond = second.first_step - start
        results.append(judged("first step the first time", first.first_step, 60, "s"))
        results.append(judged("first step the second time, beyond a small file's", beyond, 3, "s"))
    if given.plot:
        plot(
            given.plot,
            {f"{given.size}, the {when} time": runs["large", when] for when in ("first", "second")},
        )
    sys.exit(0 if all(results) else 1)


if __name__ == "__main__":
    main()
