"""How the files of a run are known again: by name, size and time of change."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from appcues_async.bulk.journal.file import moment_text
from appcues_async.bulk.journal.records import RunKey

__all__ = ["moved_source", "stamp_text"]


def moved_source(
    plan: RunKey, run: int, sources: Sequence[str], stamps: Sequence[Sequence[int] | None]
) -> str | None:
    """Says which source of another run has come under another name, if one seems to."""
    for was, stamp in zip(sources, stamps, strict=True):
        for name, now in zip(plan.sources, plan.fingerprint, strict=True):
            if was == name or stamp is None or tuple(stamp) != now or not Path(name).exists():
                continue
            if not Path(was).exists():
                return f"{was} in run {run}, which is gone, and {name} looks like it"
            if Path(was).samefile(name):
                return f"{was} in run {run}, which is the same file as {name}"
    return None


def stamp_text(stamp: Sequence[int] | None) -> str:
    """Size and time of change, as people read them."""
    if stamp is None:
        return "no file"
    return f"{stamp[0]:,} bytes of {moment_text(stamp[1] / 1e9)}"
