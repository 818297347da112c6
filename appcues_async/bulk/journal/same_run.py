"""Whether a run is asked for as the journal has it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from appcues_async.bulk.journal.file import moment_text
from appcues_async.bulk.journal.records import RunKey

__all__ = ["differences", "moved_source"]


def differences(
    key: RunKey, fingerprint: Sequence[Sequence[int] | None], options: Mapping[str, Any]
) -> list[str]:
    """Says in words how a run differs from what the journal has of it.

    Args:
        key: The run as it is asked for.
        fingerprint: Size and time of change of its sources, as the journal has them.
        options: Its options, as the journal has them.
    """
    sources = [
        f"{name} has changed: it had {_stamp_text(was)}, and has {_stamp_text(now)}"
        for name, was, now in zip(key.sources, fingerprint, key.fingerprint, strict=True)
        if (None if was is None else tuple(was)) != now
    ]
    return sources + [
        f"{name} was {options.get(name)!r}, and is {now!r}"
        for name, now in key.options.items()
        if options.get(name) != now
    ]


def moved_source(
    key: RunKey, run: int, sources: Sequence[str], stamps: Sequence[Sequence[int] | None]
) -> str | None:
    """Says which source of another run has come under another name, if one seems to.

    Args:
        key: The run as it is asked for.
        run: The other run.
        sources: The names of its sources.
        stamps: Their sizes and times of change.
    """
    for was, stamp in zip(sources, stamps, strict=True):
        for name, now in zip(key.sources, key.fingerprint, strict=True):
            if was == name or stamp is None or tuple(stamp) != now or not Path(name).exists():
                continue
            if not Path(was).exists():
                return f"{was} in run {run}, which is gone, and {name} looks like it"
            if Path(was).samefile(name):
                return f"{was} in run {run}, which is the same file as {name}"
    return None


def _stamp_text(stamp: Sequence[int] | None) -> str:
    """Size and time of change, as people read them."""
    if stamp is None:
        return "no file"
    return f"{stamp[0]:,} bytes of {moment_text(stamp[1] / 1e9)}"
