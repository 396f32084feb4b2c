"""Training on a file system that fills up, at sizes so spread that it is full at another moment each time.

``python benchmarks/torture/small_disk.py --framework torch`` mounts a small tmpfs (Linux: as root, or by
``unshare`` in a user namespace), trains until the disk is full, looks for one clear error and exit status 3,
makes room, and takes the run to its end. For a disk that is filled by somebody else while a checkpoint is
written, after there was found to be room, it writes a large file beside the run at chosen operations of a save.
Prints a row each, then pass or FAIL.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "support"))

from kill_chain import Chain, Reference

STEPS = 40
SAVED = 4
"""The step of the second save."""
DELAY = 0.02
ROOMY = 1 << 16
"""KB, more than a run needs."""
SIZES = {"resident": (4, 8, 12, 16, 64, 136, 176), "weight_streaming": (64, 200, 260, 300, 340)}
"""KB: too small for the first file, the second, …, for the first checkpoint, for the second; or to begin at all."""
OPERATIONS = {
    "resident": (
        "save: mkdir step.partial",
        "save: write weights.safetensors",
        "save: write optimizer.safetensors",
        "save: write manifest.json",
    ),
    "weight_streaming": (
        "step",
        "save: mkdir step.partial",
        "save: write weights-00001.safetensors",
        "save: replace unit-00002.weights",
        "save: write manifest.json",
    ),
}


def mount(place: Path, kilobytes: int, *, again: bool = False) -> None:
    """Mount a tmpfs of a size, or give the one that is mounted that size."""
    options = f"size={kilobytes}k" + (",remount" if again else "")
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", str(place)], check=True)


def fill(reference: Reference, place: Path, kilobytes: int, operation: str = "") -> tuple[bool, str]:
    """Train on a disk of that size, then on one with room; whether all was well, and what was seen.

    At ``operation`` after the second save, the disk is filled.
    """
    mount(place, kilobytes)
    try:
        chain = Chain(reference, place / "run", 0.0)
        is_filled = not operation
        with chain.start(DELAY if operation else 0.0) as child:
            for line in child.stdout or ():
                if line.startswith("@ack "):
                    chain.acknowledge(line)
                if not is_filled and chain.acknowledged == SAVED and line == f"@{operation}\n":
                    is_filled = True
                    fill_up(place / "other")
            errors = child.stderr.read() if child.stderr else ""
        said = errors.splitlines()[-1].replace(str(place), "")
        chain.check("when the disk was full")
        is_told = (
            "free on the disk" in said or "the disk has no room" in errors
        )  # The other before it begins.
        well = child.returncode == 3 and is_told and "Traceback" not in errors
        reached = chain.acknowledged
        (place / "other").unlink(missing_ok=True)
        mount(place, ROOMY, again=True)
        chain.finish()
        return (
            well and not chain.lost,
            f"status {child.returncode} after step {reached}: {said} {chain.lost or ''}",
        )
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def fill_up(file: Path) -> None:
    """Take all the room that there is."""
    with file.open("wb", buffering=0) as other, contextlib.suppress(OSError):
        while True:
            other.write(bytes(4096))


def main() -> int:
    """Read the command line; exit status 1 if anything was lost."""
    parser = argparse.ArgumentParser(prog="small_disk", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--framework", choices=("torch", "tf"), default="torch")
    parser.add_argument("--execution", choices=tuple(SIZES), default="resident")
    options = parser.parse_args()
    if os.geteuid() != 0:
        program = shutil.which("unshare")
        if program is None:
            print("needs root, or unshare of util-linux", file=sys.stderr)
            return 3
        os.execv(program, [program, "--user", "--map-root-user", "--mount", sys.executable, *sys.argv])
    with tempfile.TemporaryDirectory(prefix="small-disk-") as root:
        reference = Reference(options.framework, Path(root) / "undisturbed", STEPS, options.execution)
        place = Path(root) / "disk"
        place.mkdir()
        passed = True
        for kilobytes, operation in [
            *((size, "") for size in SIZES[options.execution]),
            *((ROOMY, name) for name in OPERATIONS[options.execution]),
        ]:
            well, seen = fill(reference, place, kilobytes, operation)
            passed &= well
            where = operation or f"{kilobytes} KB"
            print(f"{where:<28} {'pass' if well else 'FAIL'}  {seen}", flush=True)
    print("pass" if passed else "FAIL", "nothing lost, one error of status 3 each time")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
