"""Echoes the account's limits, as the server tells them, to stderr."""

from __future__ import annotations

import sys
from typing import Final, Self

from attrs import define

from appcues_async.cli.output import json_text, say
from appcues_async.notices import Limits, Listener, Notice, ReplyReceived, notify

__all__ = ["LimitsEcho"]

_WORDS: Final = (
    ("remaining", "limit", "requests left"),
    ("concurrency_used", "concurrency_limit", "exports running"),
)


@define(eq=False)
class LimitsEcho:
    """Passes notices on, and says at the end what the last answer has said of limits.

    Attributes:
        listener: Receives every notice, if given.
        quiet: Whether to say nothing.
        last: What was said last.
    """

    listener: Listener | None
    quiet: bool = False
    last: Limits | None = None

    def __call__(self, notice: Notice) -> None:
        """Takes a notice."""
        if isinstance(notice, ReplyReceived) and notice.limits is not None:
            self.last = notice.limits
        notify(self.listener, notice)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.last is None or self.quiet:
            return
        if sys.stderr.isatty():
            for words in _in_words(self.last):
                say(words)
        else:
            # One line, as the vendor's command writes it.
            line = {"rate_limit": self.last.rate_limit, "rows_truncated": self.last.rows_truncated}
            say(json_text({name: value for name, value in line.items() if value}, sys.stderr))


def _in_words(limits: Limits) -> list[str]:
    said = limits.rate_limit
    return [
        f"{said[number]:,} of {said[of]:,} {what}"
        for number, of, what in _WORDS
        if number in said and of in said
    ]
