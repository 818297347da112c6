"""Whether a run is asked for as the journal has it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from appcues_async.bulk.journal.file import moment_text
from appcues_async.bulk.journal.records import RunKey

__all__ = ["differences", "moved_source", "names_of"]

_NAMED: Final = 5
"""How many sources one message names."""


def differences(
    key: RunKey, fingerprint: Sequence[Sequence[Any] | None], options: Mapping[str, Any]
) -> list[str]:
    """Says in words how a run differs from what the journal has of it.

    Args:
        key: The run as it is asked for.
        fingerprint: Size and time of change, or ETag, of its sources, as the journal has them.
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
    key: RunKey, run: int, sources: Sequence[str], stamps: Sequence[Sequence[Any] | None]
) -> str | None:
    """Says which source of another run has come under another name, if one seems to.

    Args:
        key: The run as it is asked for.
        run: The other run.
        sources: The names of its sources.
        stamps: Their sizes and times of change.
    """
    alike: dict[Any, list[str]] = {}
    for name, now in zip(key.sources, key.fingerprint, strict=True):
        alike.setdefault(now, []).append(name)
    for was, stamp in zip(sources, stamps, strict=True):
        for name in alike.get(None if stamp is None else tuple(stamp), ()):
            if was == name or stamp is None or not Path(name).exists():
                continue
            if not Path(was).exists():
                return f"{was} in run {run}, which is gone, and {name} looks like it"
            if Path(was).samefile(name):
                return f"{was} in run {run}, which is the same file as {name}"
    return None


def names_of(sources: Sequence[str]) -> str:
    """Names the first sources, for a message that thousands would fill."""
    more = f" and {len(sources) - _NAMED:,} more" if len(sources) > _NAMED else ""
    return ", ".join(sources[:_NAMED]) + more


def _stamp_text(stamp: Sequence[Any] | None) -> str:
    """Size and time of change, or size and ETag, as people read them."""
    if stamp is None:
        return "no file"
    if isinstance(stamp[1], str):
        return f"{stamp[0]:,} bytes of the ETag {stamp[1]}"
    return f"{stamp[0]:,} bytes of {moment_text(stamp[1] / 1e9)}"
