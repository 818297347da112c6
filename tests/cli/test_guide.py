"""`guide`: pages in a pipe and on a terminal."""

from __future__ import annotations

import pytest

from tests.cli.conftest import Command
from tests.guide.pages import GUIDE, text_of

PAGES = sorted({path.stem for path in GUIDE.glob("*.md")} - {"README"})


@pytest.mark.parametrize("page", PAGES)
def test_a_pipe_gets_a_page_as_it_is(command: Command, page: str) -> None:
    assert command("guide", page).out == text_of(page)


def test_without_a_topic_the_pages_are_listed(command: Command) -> None:
    assert command("guide").out == text_of("README")


@pytest.mark.parametrize("name", ["README", "readme"])
def test_the_list_of_pages_is_shown_by_its_name(command: Command, name: str) -> None:
    assert command("guide", name).out == command("guide").out


def test_a_typo_is_told_the_nearest_page(command: Command) -> None:
    ran = command("guide", "jurnal")
    assert ran.code == 2
    assert "Did you mean 'journal'?" in ran.error["message"]


def test_a_topic_that_is_like_none_is_told_the_pages(command: Command) -> None:
    message = command("guide", "zzz").error["message"]
    assert "Did you mean" not in message
    assert "Pages: bulk," in message


def test_a_narrow_terminal_cuts_no_name(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    paged: list[str] = []
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setattr("pydoc.pager", paged.append)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("LESS", "-FRX")
    assert command("guide", "endpoints").code == 0
    (text,) = paged
    assert "client" in text
    assert "…" not in text


def test_a_terminal_gets_it_rendered_through_its_pager(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    paged: list[str] = []
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setattr("pydoc.pager", paged.append)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("LESS", "-FRX")
    assert command("guide", "errors").code == 0
    (text,) = paged
    assert "```" not in text
    assert "| error |" not in text
    assert "](" not in text
