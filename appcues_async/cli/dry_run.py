"""`--dry-run`: shows what would be sent, and sends nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from appcues_async.cli.output import Form, say, show, writing
from appcues_async.text import printable
from appcues_async.wire.rehearsal import LONGEST, NothingSent, Rehearsal

if TYPE_CHECKING:
    from aiohttp import ClientSession

__all__ = ["rehearsed"]


@contextmanager
def rehearsed(form: Form, rehearsal: Rehearsal | None = None) -> Iterator[ClientSession]:
    """Yields a session to open a client with, and shows at the end the requests that it took in.

    Args:
        form: How it is shown.
        rehearsal: Takes it in; one that ends every request, if left out.
    """
    rehearsal = rehearsal or Rehearsal()
    try:
        yield cast("ClientSession", rehearsal)
    except* NothingSent:
        # Commands that wait for several things at once raise several of them.
        pass
    _show(rehearsal, form)


def _show(rehearsal: Rehearsal, form: Form) -> None:
    if form == "csv":
        show(rehearsal.requests, "csv")
    elif form == "json":
        show([{**one, "body": _parsed(one)} for one in rehearsal.requests], "json")
    elif len(rehearsal.chunks) > 1:
        with writing():
            print(_as_text(rehearsal.requests[0]), end="\n\n")
        show(rehearsal.chunks, "table")
    else:
        with writing():
            print("\n\n".join(map(_as_text, rehearsal.requests)))
    say("nothing was sent")


def _as_text(request: Mapping[str, Any]) -> str:
    lines = [f"{request['method']} {request['url']}"]
    lines += [f"{name}: {value}" for name, value in request["headers"].items()]
    if request["bytes"]:
        lines += ["", *map(printable, request["body"].splitlines())]
        if request["bytes"] > LONGEST:
            lines.append(f"... {request['bytes']:,} bytes in all")
    return "\n".join(lines)


def _parsed(request: Mapping[str, Any]) -> Any:
    """A whole body of JSON as what it is, any other as text."""
    if request["headers"].get("Content-Type") == "application/json":
        try:
            return json.loads(request["body"])
        except ValueError:
            # It was too long to be shown whole.
            pass
    return request["body"] or None
