"""Takes out of an answer what it echoes of the request's credentials, before anybody sees it."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from contextlib import suppress
from typing import Final
from urllib.parse import quote

from multidict import CIMultiDict, CIMultiDictProxy

from appcues_async.text import Secret
from appcues_async.wire.reply import Reply

__all__ = ["Redactor"]

_SHORTEST: Final = 12
"""Characters of a secret that is looked for by itself; a shorter one may stand anywhere by chance."""
_LARGEST: Final = 1 << 16
"""Bytes of a success that are searched; of a larger one no error shows more than its start."""
_HIDDEN: Final = "***"


class Redactor:
    """Takes one `Authorization` header out of answers, whole or in parts, in each usual quoting."""

    def __init__(self, authorization: Secret) -> None:
        """Prepares what is looked for.

        Args:
            authorization: The header's value.
        """
        # Longest first, so that no part is left of what has been found.
        texts = sorted({*_needles(authorization)}, key=len, reverse=True)
        self._texts = [Secret(text) for text in texts]
        self._bytes: list[bytes] = [_HiddenBytes(text.encode()) for text in texts]

    def clean(self, reply: Reply) -> Reply:
        """Returns the answer without the credentials; nearly always the same one."""
        headers, body = reply.headers, reply.body
        if reply.status >= 400 or len(body) <= _LARGEST:
            for one in self._bytes:
                body = body.replace(one, _HIDDEN.encode()) if one in body else body
        together = "\n".join(headers.values())
        if any(one in together for one in self._texts):
            headers = CIMultiDictProxy(
                CIMultiDict((name, self._hide(value)) for name, value in headers.items())
            )
        if body is reply.body and headers is reply.headers:
            return reply
        return Reply(reply.status, headers, body)

    def _hide(self, value: str) -> str:
        for one in self._texts:
            value = value.replace(one, _HIDDEN)
        return value


class _HiddenBytes(bytes):
    """Bytes of a secret, which do not show themselves either."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "b'***'"


def _needles(authorization: str) -> Iterator[str]:
    scheme, _, token = authorization.partition(" ")
    parts = [token]
    # What cannot be decoded is a token as it stands, not Basic's name and password.
    with suppress(binascii.Error, UnicodeDecodeError):
        parts += base64.b64decode(token, validate=True).decode().split(":", 1)
    for whole in (authorization, *(part for part in parts if len(part) >= _SHORTEST)):
        yield whole
        yield whole.replace("/", "\\/")
        yield quote(whole, safe="")
    yield f"{scheme}%20{quote(token, safe='')}"
