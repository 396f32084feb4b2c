"""The examples of README.md and docs/ that are marked to be run do what the page says."""

from __future__ import annotations

import re

import pytest

import pages
from drawn import some


@pytest.mark.parametrize("page", some("pages", pages.pages(), 5), ids=lambda page: page.name)
def test_what_a_page_shows_runs_as_it_stands(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    pages.run(page)


def test_a_page_that_is_wrong_fails(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    page = tmp_path / "page.md"
    for block in ("sh\nzoo show --spec no_such_spec\n", "python\nassert 1 == 2\n", "sh\npytest --nonsense\n"):
        page.write_text(f"<!-- run -->\n```{block}```\n", encoding="utf-8")
        with pytest.raises(AssertionError):
            pages.run(page)
    page.write_text("<!-- run: status 2 -->\n```sh\nzoo show --spec no_such_spec\n```\n", encoding="utf-8")
    pages.run(page)


def test_every_page_is_reached_from_the_readme_and_no_link_leads_nowhere():
    reached, waiting = set(), [pages.ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in reached:
            continue
        reached.add(page)
        prose = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", prose):
            there = (page.parent / target).resolve()
            assert there.exists(), f"{page.name} links to {target}"
            waiting += [there] if there.parent == pages.ROOT / "docs" and there.suffix == ".md" else []
    assert reached >= set((pages.ROOT / "docs").glob("*.md"))
