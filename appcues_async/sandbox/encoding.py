"""JSON and CSV, encoded and decoded."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

__all__ = ["NotJSON", "decode_json", "encode_csv", "encode_json"]

#: What `decode_json` raises on text that is not strict JSON; bytes that are not UTF-8 raise
#: UnicodeDecodeError instead.
NotJSON: Final = msgspec.MsgspecError

_decoder = msgspec.json.Decoder()
_encoder = msgspec.json.Encoder()


def decode_json(text: bytes) -> Any:
    """Reads strict JSON: no NaN, no Infinity, no trailing commas, no byte order mark.

    Raises:
        NotJSON: It is malformed, or nested too deeply to be read.
        UnicodeDecodeError: It is not UTF-8.
    """
    try:
        return _decoder.decode(text)
    except RecursionError:
        raise msgspec.DecodeError("JSON is nested too deeply") from None


def encode_json(content: object) -> bytes:
    """Writes compact JSON in UTF-8."""
    return _encoder.encode(content)


def encode_csv(rows: Sequence[Mapping[str, Any]], columns: Sequence[str] | None = None) -> bytes:
    """Writes a header and one line per row.

    Args:
        rows: What to write; an object within a row becomes columns like `attributes.color`.
        columns: Which columns, in order; None for all that occur: the plain ones as they come,
            then the nested ones by name.
    """
    flat = [_flatten(row) for row in rows]
    if columns is None:
        seen = dict.fromkeys(name for row in flat for name in row)
        columns = [n for n in seen if "." not in n] + sorted(n for n in seen if "." in n)
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([[_cell(row.get(name)) for name in columns] for row in flat])
    return text.getvalue().encode()


def _flatten(row: Mapping[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in row.items():
        if isinstance(value, dict):
            flat.update({f"{name}.{key}": inner for key, inner in value.items()})
        else:
            flat[name] = value
    return flat


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    return encode_json(value).decode()
