"""`python -m tests.guide.llms` writes appcues_async/guide/llms.txt anew, from the README and the guide.

Its form is that of llmstxt.org: what the package is, and a list of links that says what each page tells.
"""

from __future__ import annotations

import re
from typing import Final

from tests.guide.pages import GUIDE, ROOT, text_of

PATH: Final = GUIDE / "llms.txt"


def write_llms() -> str:
    """Makes the text of llms.txt."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    title, about = readme.split("\n\n")[:2]
    pages = re.findall(r"^- \[.*", text_of("README"), flags=re.MULTILINE)
    return "\n".join(
        [
            f"{title}\n\n> {' '.join(about.split())}\n",
            "Programs in these pages run as they stand.\n\n## Guide\n",
            *pages,
            "",
        ]
    )


if __name__ == "__main__":
    PATH.write_text(write_llms(), encoding="utf-8")
