"""Where tensors lie: the largest in the heap too, as long as all steps are of one size."""

from __future__ import annotations

import subprocess
import sys

import pytest

from zoo_common import allocation

LINES = """
import sys, torch
from pathlib import Path
from zoo_common.allocation import Steps, _is_ours

def in_heap():
    heap = next(line for line in Path("/proc/self/maps").read_text().splitlines() if line.endswith("[heap]"))
    first, last = (int(each, 16) for each in heap.split()[0].split("-"))
    return first <= torch.empty(64 << 20, dtype=torch.uint8).data_ptr() < last

if not _is_ours():
    print("not ours")
    sys.exit()
steps = Steps()
for size in sys.argv[1]:
    steps.begin(size)
    print(int(in_heap()), end="")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's heap")
@pytest.mark.parametrize(
    ("sizes", "expected"), [("aaaa", "0011"), ("aaabbba", "0010010"), ("ababab", "000000")]
)
def test_the_largest_tensors_lie_in_the_heap_while_steps_are_of_one_size(sizes, expected):
    ran = subprocess.run([sys.executable, "-c", LINES, sizes], check=True, capture_output=True, text=True)
    if ran.stdout == "not ours\n":
        pytest.skip("another C library, or the environment says otherwise")
    assert ran.stdout == expected


def test_memory_is_given_back_once_when_sizes_change(monkeypatch):
    """For that costs the next step as many page faults."""
    begun, given = [], []
    monkeypatch.setattr(allocation, "give_back_what_is_free", lambda: given.append(begun[-1]))
    monkeypatch.setattr(allocation, "_set", lambda wanted: True)
    steps = allocation.Steps()
    for number, size in enumerate("abcaaaaab"):
        begun.append(number)
        steps.begin(size)
    assert given == [8]


def test_nothing_is_set_where_the_environment_says_otherwise(monkeypatch):
    for name in ("MMAP_THRESHOLD", "TRIM_THRESHOLD", "MMAP_MAX", "ARENA_MAX"):
        with monkeypatch.context() as only:
            only.setenv(f"MALLOC_{name}_", "1")
            assert not allocation._set({})
