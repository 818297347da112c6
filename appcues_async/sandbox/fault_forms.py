"""Faults as JSON objects and back, for the control plane and its clients."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from attrs import asdict, filters

from appcues_async.sandbox.cross_loop import Hold
from appcues_async.sandbox.faults import (
    Amend,
    Answer,
    Close,
    Fault,
    Faults,
    Instruction,
    Misstate,
    Raw,
    Reset,
    Stall,
    Truncate,
)

__all__ = ["KINDS", "add_from_json", "fault_to_json", "instruction_to_json"]

#: The classes of faults, by the `kind` that names them.
KINDS: Final[Mapping[str, type[Fault]]] = {
    "amend": Amend,
    "answer": Answer,
    "close": Close,
    "misstate": Misstate,
    "raw": Raw,
    "reset": Reset,
    "stall": Stall,
    "truncate": Truncate,
}
_MATCH: Final = ("method", "path", "skip", "times", "probability")


def fault_to_json(fault: Fault) -> dict[str, Any]:
    """Describes a fault as a JSON object; bytes become text, and a hold is left out."""
    fields = asdict(fault, recurse=False, filter=filters.exclude(Hold))
    for name, value in fields.items():
        if isinstance(value, bytes):
            fields[name] = value.decode(errors="replace")
        elif isinstance(value, Mapping):
            fields[name] = dict(value)
    return {"kind": type(fault).__name__.lower(), **fields}


def instruction_to_json(instruction: Instruction) -> dict[str, Any]:
    """Describes an instruction: the fault, what it matches, and its number and hits."""
    return {
        **fault_to_json(instruction.fault),
        "number": instruction.number,
        "method": instruction.method,
        "path": None if instruction.path is None else instruction.path.pattern,
        "skip": instruction.skip,
        "times": instruction.times,
        "probability": instruction.probability,
        "hits": instruction.hits,
    }


def add_from_json(faults: Faults, content: Mapping[str, Any]) -> Instruction:
    """Adds the fault that a JSON object describes.

    Raises:
        ValueError: It describes none; the message says what is wrong.
    """
    fields = dict(content)
    match = {name: fields.pop(name) for name in _MATCH if name in fields}
    kind = fields.pop("kind", None)
    made = KINDS.get(kind) if isinstance(kind, str) else None
    if made is None:
        raise ValueError(f"`kind` must be one of {', '.join(KINDS)}, not {kind!r}")
    if "hold" in fields:
        raise ValueError(
            "`hold` cannot be sent; a stall without `seconds` lasts until DELETE faults"
        )
    if made is Raw and isinstance(fields.get("data"), str):
        fields["data"] = fields["data"].encode()
    try:
        return faults.add(made(**fields), **match)
    except (TypeError, re.error) as error:
        raise ValueError(str(error)) from None
