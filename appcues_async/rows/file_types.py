"""Files that are neither CSV nor NDJSON, by the bytes that they begin with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from appcues_async.errors import InvalidInput

__all__ = ["PARQUET", "refuse_other_files"]

PARQUET: Final = b"PAR1"
"""The first bytes of a Parquet file."""

_ZIP: Final = b"PK\x03\x04"
_PACKED: Final[Mapping[bytes, str]] = {
    b"\x1f\x8b": "gzip",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"BZh": "bzip2",
    b"\xfd7zXZ\0": "xz",
    b"7z\xbc\xaf\x27\x1c": "7-Zip",
    _ZIP: "zip",
}
_OTHERS: Final[Mapping[bytes, str]] = {
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": "an Excel workbook (xls)",
    b"ARROW1": "a Feather file",
    b"FEA1": "a Feather file",
    b"ORC": "an ORC file",
    b"Obj\x01": "an Avro file",
    b"SQLite format 3\0": "an SQLite database",
    b"%PDF": "a PDF",
    b"{\\rtf": "a text document (RTF)",
}
_ZIPPED: Final[Mapping[bytes, str]] = {
    b"opendocument": "an OpenDocument file",
    b"word/": "a Word document",
    b"[Content_Types].xml": "an Excel workbook (xlsx)",
    b"_rels/.rels": "an Excel workbook (xlsx)",
    b"xl/": "an Excel workbook (xlsx)",
}
"""Kinds of zipped files, by the names of the files in them."""
_BEGINNING: Final = 2_000
"""Bytes in which a zip names its first files."""


def refuse_other_files(head: bytes, name: str, *, single: bool) -> None:
    """Refuses files that can be neither CSV nor NDJSON, and says what they are.

    Args:
        head: The beginning of a file.
        name: What it is called, for messages.
        single: Whether it is for a single upload, which unpacks nothing.

    Raises:
        InvalidInput: It is refused.
    """
    what = next((what for magic, what in _OTHERS.items() if head.startswith(magic)), None)
    if head.startswith(_ZIP):
        names = head[:_BEGINNING]
        what = next((what for part, what in _ZIPPED.items() if part in names), None)
    if what is not None:
        raise InvalidInput(f"{name} is {what}; save as CSV, and give that file")
    if head.startswith(PARQUET):
        where = "client.bulk reads it by its path" if single else "give its path"
        raise InvalidInput(f"{name} is a Parquet file; {where}, or save as CSV")
    for magic, how in _PACKED.items():
        if head.startswith(magic):
            raise InvalidInput(
                f"{name} is {how}-compressed, which the API does not take; unpack it"
            )
