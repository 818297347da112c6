"""`guide`: the user's guide, a page a topic."""

from __future__ import annotations

import difflib
import os
import re
import sys
from collections.abc import Collection
from importlib.resources import files
from typing import Annotated, ClassVar, Final

from cyclopts import App, Parameter
from rich.console import Console, ConsoleOptions, RenderResult
from rich.markdown import Markdown, TableElement
from rich.table import Table

from appcues_async.cli.failures import USAGE, CommandFailed
from appcues_async.cli.output import writing

__all__ = ["app"]

app: App = App(name="guide")

_INDEX: Final = "README"
"""The page that lists the others; a forge shows it for the folder."""
_WIDEST: Final = 100
"""Columns of text: longer lines are hard to read."""
_LINK: Final = re.compile(r"\[([^]]+)\]\(([\w-]+)\.md(?:#[\w-]*)?\)")
"""A link to another page."""


@app.default
def show(
    topic: Annotated[
        str | None, Parameter(help="A page, such as bulk or errors; left out: a list of them.")
    ] = None,
) -> None:
    """Show a page of the guide: rendered and paged on a terminal, plain Markdown into a pipe.

    Example: appcues-async guide bulk
    """
    pages = {
        page.name.removesuffix(".md"): page
        for page in (files("appcues_async") / "guide").iterdir()
        if page.name.endswith(".md")
    }
    name = _INDEX if topic is None else topic.lower().removesuffix(".md")
    name = _INDEX if name == _INDEX.lower() else name
    if name not in pages:
        raise CommandFailed(
            f"the guide has no page {topic!r}.{_nearest(name, pages)} Pages: {_listed(pages)}.",
            kind="UsageError",
            exit_code=USAGE,
        )
    _write(pages[name].read_text(encoding="utf-8"))


class _WholeTable(TableElement):
    """A table that breaks words which are too long for it, where rich cuts them."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for part in super().__rich_console__(console, options):
            if isinstance(part, Table):
                for column in part.columns:
                    column.overflow = "fold"
            yield part


class _Page(Markdown):
    elements: ClassVar = {**Markdown.elements, "table_open": _WholeTable}


def _listed(pages: Collection[str]) -> str:
    return ", ".join(sorted({*pages} - {_INDEX}))


def _nearest(name: str, pages: Collection[str]) -> str:
    near = difflib.get_close_matches(name, {*pages} - {_INDEX}, n=1)
    return f" Did you mean {near[0]!r}?" if near else ""


def _named(link: re.Match[str]) -> str:
    """A link as words, since a terminal cannot follow it."""
    words, name = link.groups()
    return f"**{words}**" if words == name else f"{words} (`guide {name}`)"


def _write(text: str) -> None:
    with writing():
        if not sys.stdout.isatty():
            print(text, end="")
            return
        console = Console()
        page = _Page(_LINK.sub(_named, text), hyperlinks=False)
        # less shows colours, and ends at once where a page fits the screen, unless it is told otherwise.
        os.environ.setdefault("LESS", "-FRX")
        with console.pager(styles=not console.no_color):
            console.print(page, width=min(console.width, _WIDEST))
