"""Pages that are linked exist, and no page is left out of the index."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.guide.pages import GUIDE, PAGES, text_of

LINK = re.compile(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)")


def anchors(text: str) -> set[str]:
    """What the headings of a page are linked as."""
    headings = re.findall(r"^#+ (.*)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", one.lower()).replace(" ", "-") for one in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_links_lead_somewhere(page: Path) -> None:
    for name, anchor in LINK.findall(page.read_text(encoding="utf-8")):
        target = page.parent / name if name else page
        assert target.is_file(), name
        assert not anchor or anchor in anchors(target.read_text(encoding="utf-8")), anchor


def test_the_index_lists_every_page_once() -> None:
    listed = re.findall(r"^- \[([\w-]+)\]\((\S+)\): \S", text_of("README"), flags=re.MULTILINE)
    assert all(link == f"{name}.md" for name, link in listed)
    pages = {path.stem for path in GUIDE.glob("*.md")} - {"README"}
    assert sorted(name for name, _ in listed) == sorted(pages)


@pytest.mark.parametrize("page", PAGES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_page_begins_with_its_title_and_is_not_empty(page: Path) -> None:
    lines = page.read_text(encoding="utf-8").splitlines()
    assert re.fullmatch("# .+", lines[0])
    assert len(lines) > 5
