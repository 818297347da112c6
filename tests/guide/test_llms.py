"""llms.txt is what the guide says now."""

from __future__ import annotations

from tests.guide.llms import PATH, write_llms


def test_it_is_current() -> None:
    # Otherwise: python -m tests.guide.llms
    assert PATH.read_text(encoding="utf-8") == write_llms()
