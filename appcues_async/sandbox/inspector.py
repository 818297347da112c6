"""The inspector: a page that shows the sandbox live. Its files, and the headers that confine it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from attrs import frozen

__all__ = ["FILES", "InspectorFile"]

_HERE: Final = Path(__file__).parent / "page"
#: Nothing but the sandbox's own files and data; no other page may embed it.
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


@frozen
class InspectorFile:
    """A file of the inspector.

    Attributes:
        content: Its bytes.
        headers: The headers that it is served with.
    """

    content: bytes
    headers: Mapping[str, str]


def _read(name: str, media_type: str) -> InspectorFile:
    headers = {
        "Content-Type": f"{media_type}; charset=utf-8",
        "Content-Security-Policy": _POLICY,
        "Cache-Control": "no-cache",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }
    return InspectorFile((_HERE / name).read_bytes(), headers)


#: The inspector's files by their paths. None of them holds data, so none needs the token.
FILES: Final[Mapping[str, InspectorFile]] = {
    "/": _read("index.html", "text/html"),
    "/_sandbox/inspector.css": _read("inspector.css", "text/css"),
    "/_sandbox/inspector.js": _read("inspector.js", "text/javascript"),
    "/_sandbox/icon.svg": _read("icon.svg", "image/svg+xml"),
}
