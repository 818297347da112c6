"""The README and the pages of the guide, and the blocks of code in them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from attrs import field, frozen

ROOT: Final = Path(__file__).parent.parent.parent
GUIDE: Final = ROOT / "appcues_async" / "guide"
PAGES: Final = [ROOT / "README.md", *sorted(GUIDE.glob("*.md"))]


def text_of(name: str) -> str:
    """The Markdown of one page of the guide."""
    return (GUIDE / f"{name}.md").read_text(encoding="utf-8")


@frozen
class Block:
    """A block of code, and where it is."""

    page: str
    number: int
    text: str = field(repr=False)

    def __str__(self) -> str:
        return f"{self.page}-{self.number}"


def blocks(language: str) -> Iterator[Block]:
    """The blocks of a language, in the order of the pages."""
    for path in PAGES:
        page = str(path.relative_to(ROOT)).removeprefix("appcues_async/").removesuffix(".md")
        found = re.findall(
            rf"^```{language}\n(.*?)^```$",
            path.read_text(encoding="utf-8"),
            flags=re.DOTALL | re.MULTILINE,
        )
        yield from (Block(page, number, text) for number, text in enumerate(found, start=1))


PYTHON: Final = [*blocks("python")]
TESTS: Final = [one for one in PYTHON if "def test_" in one.text]
CLUSTERS: Final = [one for one in PYTHON if "from distributed" in one.text]
PROGRAMS: Final = [
    one
    for one in PYTHON
    if re.search(r"^asyncio.run\(", one.text, flags=re.MULTILINE) and one not in [*TESTS, *CLUSTERS]
]
WEB_APPS: Final = [one for one in PYTHON if "app = " in one.text and one not in [*PROGRAMS, *TESTS]]
AIRFLOW: Final = [one for one in PYTHON if "from airflow" in one.text]
