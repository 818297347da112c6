"""Text that is not UTF-8: which encoding it most likely is in."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from typing import Final

from appcues_async.errors import InvalidInput

__all__ = ["as_utf_8", "check_samples", "likely_encoding"]

_MARKS: Final = {
    b"\xff\xfe\0\0": "utf-32",
    b"\0\0\xfe\xff": "utf-32",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
}
"""Byte order marks, which text in these encodings may begin with."""
_ENCODINGS: Final = ("cp1252", "cp850", "mac_roman")
"""Where a byte is a letter of Western Europe."""
_OF_WORDS: Final = ("shift_jis", "euc_jp", "gb18030", "euc_kr", "cp1251")
"""Where whole words are beyond ASCII."""
_SIGNS: Final = "\u2018\u2019\u2013\u2014\u2026\u20ac\u00a3"
"""Quotes, dashes and currencies, which are as good as letters."""
_SHARE: Final = 0.01
"""Of rows; from there on, it is the file that is in another encoding, not a row."""


def likely_encoding(data: bytes) -> str | None:
    """Which encoding text is most likely in that is not UTF-8; None where nothing speaks for one.

    Right where letters come out between letters: in another encoding, they come out as signs.

    Args:
        data: Some of the text.
    """
    marked = next((encoding for mark, encoding in _MARKS.items() if data.startswith(mark)), None)
    if marked is not None:
        return marked
    zeros = data[0::2].count(0), data[1::2].count(0)
    if sum(zeros):
        # Of text that is mostly ASCII, every second byte is zero.
        half = len(data) // 4
        return "utf-16-be" if zeros[0] > half else "utf-16-le" if zeros[1] > half else None
    lines = [line for line in data.splitlines() if not line.isascii() and not _is_utf_8(line)]
    sample = b"\n".join(lines[:1_000])
    if not lines:
        return None
    words = b"".join(one for one in sample.split() if not one.isascii() and len(one) > 1)
    in_words = words.translate(None, bytes(range(128)))
    encodings = _OF_WORDS if 2 * len(in_words) > len(words) else _ENCODINGS
    scores = {encoding: _letters_in(sample, encoding) for encoding in encodings}
    best = max(scores, key=scores.__getitem__)
    return best if scores[best] else "cp1252"


def _letters_in(sample: bytes, encoding: str) -> float:
    """The share of letters among characters beyond ASCII; 0 where it is not in this encoding."""
    try:
        text = sample.decode(encoding)
    except UnicodeDecodeError:
        return 0
    beyond = [one for one in text if not one.isascii()]
    letters = sum(unicodedata.category(one)[0] == "L" or one in _SIGNS for one in beyond)
    return letters / len(beyond) if beyond else 0


def _is_utf_8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def as_utf_8(encoding: str | None) -> str:
    """The fix for text that is not UTF-8, for messages."""
    if encoding is None:
        return "save it as UTF-8"
    return f"save it as UTF-8, or client.bulk reads it with encoding={encoding!r}"


def check_samples(samples: Iterable[bytes], name: str) -> None:
    """Refuses a file of which a share of the rows is in another encoding than UTF-8.

    A few rows that are damaged in a file of UTF-8 are not a reason: each of them is rejected.

    Args:
        samples: Stretches of the file; what is cut off at either end of one is left out.
        name: What it is called, for messages.

    Raises:
        InvalidInput: It is refused.
    """
    rows = beyond = 0
    wrong: list[bytes] = []
    for sample in samples:
        rows += sample.count(b"\n") + 1
        if sample.isascii():
            continue
        lines = sample.split(b"\n")
        # A character may be cut in two where the sample ends, not where a line does.
        for line in lines[:-1] if len(lines) > 1 else lines:
            if line.isascii():
                continue
            if _is_utf_8(line):
                beyond += 1
            else:
                wrong.append(line)
    if len(wrong) > beyond and len(wrong) > rows * _SHARE:
        encoding = likely_encoding(b"\n".join(wrong))
        raise InvalidInput(
            f"{name} is not UTF-8: {len(wrong):,} of the {rows:,} rows that were looked at are not, "
            f"such as {wrong[0][:60]!r}; {as_utf_8(encoding)}"
        )
