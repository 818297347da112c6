"""llms.txt is what the guide says now."""

from __future__ import annotations

from tests.guide.llms import PATH, write_llms


def test_it_is_current() -> None:
    current = PATH.read_text(encoding="utf-8") == write_llms()
    assert current, "write it anew: python -m tests.guide.llms"
