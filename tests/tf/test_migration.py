"""docs/migration.md: its example runs and learns, and the page shows what really changed."""

import difflib
import importlib.util
import re
from pathlib import Path

import zoo_tf
from zoo_common.training.warm_start import read_weights

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "migration"
PAGE = ROOT / "docs" / "migration.md"


def difference():
    before, after = ((EXAMPLE / name).read_text().splitlines() for name in ("before.py", "after.py"))
    lines = list(difflib.unified_diff(before, after, "before.py", "after.py", lineterm="", n=1))
    # An empty line of context is a space in a diff, and nothing in a page without trailing space.
    return "\n".join(line.rstrip() for line in lines)


def after():
    spec = importlib.util.spec_from_file_location("after", EXAMPLE / "after.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_example_learns_resumes_and_starts_warm(tmp_path, capsys):
    module = after()
    found = module.main(tmp_path / "run")
    assert found["accuracy"] > 0.85
    assert (tmp_path / "run" / "export" / "saved_model.pb").exists()
    assert re.match(r"accuracy 0\.\d+\n\d [01]\.\d+\n", capsys.readouterr().out)
    again = module.main(tmp_path / "run2", steps=1, warm_start_from=tmp_path / "run")
    assert again["accuracy"] < found["accuracy"], "the head is new"
    there, here = read_weights(tmp_path / "run"), read_weights(tmp_path / "run2")
    assert abs(there["dense/kernel"] - here["dense/kernel"]).max() < 0.01
    assert abs(there["head/kernel"] - here["head/kernel"]).max() > 0.1


def test_the_page_shows_the_difference_of_the_two_files():
    (shown,) = re.findall(r"```diff\n(.*?)\n```", PAGE.read_text(), re.DOTALL)
    assert shown == difference()


def test_what_the_page_says_of_names_is_so():
    for name in re.findall(r"`zoo_tf\.(\w+)", PAGE.read_text()):
        assert hasattr(zoo_tf, name), name
