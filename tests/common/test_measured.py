"""A choice is measured once on a machine, is the default where nothing clear was seen, and can be fixed."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from zoo_common import measured
from zoo_common.measured import Answer, Choices, defaults, kept
from zoo_spec.errors import InputError

FASTER = {"usual": [1.0, 1.1, 1.0], "other": [0.5, 0.6, 0.5]}


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("ZOO_CHOICES", raising=False)


def choices(version="1.0", threads=2):
    return Choices("some", {"some": version}, threads)


def never():
    raise AssertionError("measured again")


def test_the_faster_way_is_taken_and_is_measured_once():
    assert choices().take("which", "usual", lambda: FASTER) == "other"
    assert choices().take("which", "usual", never) == "other"


@pytest.mark.parametrize(
    "rounds",
    [
        {"usual": [1.0, 1.0, 1.0], "other": [0.95, 0.95, 0.95]},
        {"usual": [1.0, 1.0, 1.0], "other": [0.1, 2.0, 2.0]},
        {"usual": [1.0], "other": [0.1]},
        {"usual": [], "other": []},
    ],
    ids=["nearly as fast", "fast once", "seen once", "not seen"],
)
def test_what_is_not_clear_keeps_the_default(rounds):
    assert choices().take("which", "usual", lambda: rounds) == "usual"
    assert choices().take("which", "usual", never) == "usual"


def test_other_versions_threads_and_processors_are_measured_for_themselves(monkeypatch):
    choices().take("which", "usual", lambda: FASTER)
    slower = {"usual": [0.5, 0.5, 0.5], "other": [1.0, 1.0, 1.0]}
    assert choices(version="1.1").take("which", "usual", lambda: slower) == "usual"
    assert choices(threads=4).take("which", "usual", lambda: slower) == "usual"
    monkeypatch.setattr(measured, "processor", lambda: ("another", ""))
    assert choices().take("which", "usual", lambda: slower) == "usual"
    assert choices().take("what else", "usual", lambda: FASTER) == "other"


def test_nothing_is_measured_where_the_choice_is_fixed(monkeypatch):
    choices().take("which", "usual", lambda: FASTER)
    with defaults():
        assert choices().take("which", "usual", never) == "usual"
        assert choices().take("what else", "usual", never) == "usual"
    monkeypatch.setenv("ZOO_CHOICES", "default")
    assert choices().take("which", "usual", never) == "usual"
    monkeypatch.setenv("ZOO_CHOICES", "fastest")
    with pytest.raises(InputError, match="ZOO_CHOICES is 'fastest', which is neither"):
        choices().take("which", "usual", never)


def test_nothing_is_measured_where_it_cannot_be_kept(tmp_path, monkeypatch):
    (tmp_path / "dualzoo").write_text("in the way", encoding="utf-8")
    assert choices().take("which", "usual", never) == "usual"


def test_a_broken_file_is_measured_anew(tmp_path):
    choices().take("which", "usual", lambda: FASTER)
    (path,) = (tmp_path / "dualzoo" / "choices").glob("*.json")
    whole = path.read_text("utf-8")
    for broken in (whole[:-20], "[]", json.dumps({**json.loads(whole), "choices": {"which": {"way": 3}}})):
        path.write_text(broken, encoding="utf-8")
        assert choices().take("which", "usual", lambda: FASTER) == "other"
        assert path.read_text("utf-8") == whole


def test_of_processes_that_start_together_one_measures(tmp_path):
    code = (
        "import sys, time; from zoo_common.measured import Choices\n"
        "def measure():\n"
        "    print('measured'); time.sleep(0.3); return {'usual': [1.0] * 3, 'other': [0.5] * 3}\n"
        "print(Choices('some', {'some': '1.0'}, 2).take('which', 'usual', measure))\n"
    )
    started = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(3)
    ]
    lines = "".join(each.communicate()[0] for each in started).split()
    assert sorted(lines) == ["measured", "other", "other", "other"]


def test_what_was_chosen_is_told_with_its_versions():
    choices().take("which", "usual", lambda: FASTER)
    assert kept("some") == {"some 1.0, 2 threads": {"which": Answer("other", {"usual": 1.0, "other": 0.5})}}
    assert kept("so") == {}
