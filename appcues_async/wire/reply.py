"""A reply as it came, and the error that it means."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

import msgspec
from attrs import field, frozen
from multidict import CIMultiDict, CIMultiDictProxy

from appcues_async.errors import (
    BadRequest,
    Delivery,
    Forbidden,
    NotFound,
    ReplyError,
    ServerError,
    Throttled,
    Unauthorized,
    UnexpectedReply,
    UnsupportedMediaType,
)
from appcues_async.notices import Limits
from appcues_async.text import hide_links

__all__ = ["Problem", "Reply", "error_of", "is_page", "limits_of", "retry_after_of"]

_BY_STATUS: Final[Mapping[int, type[ReplyError]]] = {
    400: BadRequest,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    415: UnsupportedMediaType,
    429: Throttled,
}
_LIMITS: Final[Mapping[str, str]] = {
    "X-RateLimit-Limit": "limit",
    "X-RateLimit-Remaining": "remaining",
    "X-RateLimit-Reset": "reset",
    "X-Concurrency-Limit": "concurrency_limit",
    "X-Concurrency-Used": "concurrency_used",
    "Retry-After": "retry_after",
}
_EXCERPT: Final = 200
_NOT_JSON: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


@frozen
class Reply:
    """The server's answer.

    Attributes:
        status: The HTTP status.
        headers: The headers; names are read in any case.
        body: The bytes of the body, decompressed.
    """

    status: int
    headers: CIMultiDictProxy[str] = field(repr=False)
    body: bytes = field(repr=False)

    def text(self) -> str:
        """The body as text; what is not UTF-8 is replaced, never raised."""
        return self.body.decode("utf-8", "replace")

    def json(self) -> Any:
        """The body as JSON values.

        Raises:
            UnexpectedReply: It is not JSON.
        """
        try:
            return msgspec.json.decode(self.body)
        except _NOT_JSON:
            raise UnexpectedReply(
                f"{self.status} with a body that is not JSON: {excerpt(self)}", reply=self
            ) from None

    def rows(self) -> list[dict[str, str]]:
        """The rows of a CSV answer, each as text by the name of its column.

        Raises:
            UnexpectedReply: It is not CSV, or a row has more or fewer cells than there are columns.
        """
        if "json" in self.headers.get("Content-Type", ""):
            raise UnexpectedReply(
                f"{self.status} with JSON where rows of CSV were expected; ask with accept='text/csv'",
                reply=self,
            )
        try:
            text = io.StringIO(self.body.decode("utf-8-sig"), newline="")
            header, *lines = [cells for cells in csv.reader(text, strict=True) if cells] or [[]]
        except (UnicodeDecodeError, csv.Error) as error:
            raise UnexpectedReply(
                f"{self.status} with a body that is not CSV ({error}): {excerpt(self)}", reply=self
            ) from None
        for number, cells in enumerate(lines, 1):
            if len(cells) != len(header):
                raise UnexpectedReply(
                    f"{self.status} with CSV whose row {number} has {len(cells)} cells under "
                    f"{len(header)} columns; take it as text()",
                    reply=self,
                )
        return [dict(zip(header, cells, strict=True)) for cells in lines]

    def without_links(self) -> Reply:
        """The answer as an error may take it along: no link in it leads anywhere."""
        headers = ((name, hide_links(value)) for name, value in self.headers.items())
        body = self.body
        if b"/" in body:
            body = hide_links(body.decode("utf-8", "surrogateescape")).encode(
                "utf-8", "surrogateescape"
            )
        return _restore(self.status, headers, body)

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (self.status, tuple(self.headers.items()), self.body)


def _restore(status: int, headers: Iterable[tuple[str, str]], body: bytes) -> Reply:
    return Reply(status, CIMultiDictProxy(CIMultiDict(headers)), body)


@frozen
class Problem:
    """An error as the server tells it, from any of the forms it uses.

    v2 answers Problem Details (reference, "Responses"); v1 wraps title and description in `message`
    (HTTP API, "Error Handling"); Customer.io lists texts under `meta.errors`; whatever stands between
    may answer anything at all.

    Attributes:
        title: The error in a word or two, if given.
        detail: What is wrong, if given.
    """

    title: str | None
    detail: str | None

    @classmethod
    def of(cls, reply: Reply) -> Problem:
        """Reads as much as can be read; never raises."""
        try:
            content = msgspec.json.decode(reply.body)
        except _NOT_JSON:
            content = None
        match content:
            case {"message": {**message}}:
                return cls(_text(message.get("title")), _text(message.get("description")))
            case {"meta": {"errors": [*errors]}}:
                return cls(None, "; ".join(filter(None, map(_text, errors))) or None)
            case {"title": _} | {"detail": _}:
                return cls(_text(content.get("title")), _text(content.get("detail")))
            case _:
                return cls(None, excerpt(reply) or None)


def _text(value: object) -> str | None:
    try:
        return None if value is None or value == "" else hide_links(str(value))
    except RecursionError:
        # JSON may be read to a depth at which it can no longer be shown.
        return None


def excerpt(reply: Reply) -> str:
    """Returns the start of the body on one line, without markup and without links.

    A link may be presigned, and then whoever reads it in a log can fetch what it leads to.
    """
    text = reply.body[: 20 * _EXCERPT].decode("utf-8", "replace")
    if "<html" in text[:_EXCERPT].lower():
        text = re.sub(
            r"<(script|style).*?</\1>|<[^>]*>", " ", text, flags=re.DOTALL | re.IGNORECASE
        )
    text = hide_links(" ".join("".join(c if c.isprintable() else " " for c in text).split()))
    # A page says in its heading what it says in its title.
    text = re.sub(r"^(.{3,100}) \1(?= |$)", r"\1", text)
    return text if len(text) <= _EXCERPT else text[: _EXCERPT - 1] + "…"


def error_of(reply: Reply, request: object) -> ReplyError | UnexpectedReply | None:
    """Makes the error that an answer means; None for a success.

    Args:
        reply: The answer.
        request: What was asked, as it is to be named in the message.
    """
    status = reply.status
    if 200 <= status < 300:
        return None
    problem = Problem.of(reply)
    said = ": ".join(part for part in (problem.title, problem.detail) if part)
    message = f"{request}: {status} {said.removeprefix(f'{status} ')}".rstrip()
    if status == 413:
        message += "; send less at a time, with a smaller chunk_bytes of client.bulk"
    if status < 400:
        # Following it would carry credentials and user data to wherever it points.
        return UnexpectedReply(
            f"{request}: {status}, {_no_answer(status)}; check region and base_url",
            reply=reply,
            problem=problem,
            # "See Other" is what a server says that has done it, and shows the result elsewhere.
            delivery=Delivery.UNKNOWN if status == 303 else Delivery.REFUSED,
        )
    cls = _BY_STATUS.get(status, ServerError if status >= 500 else ReplyError)
    error = cls.of(message, reply, problem, retry_after=retry_after_of(reply))
    if status == 408:
        # A server that stopped waiting may still have taken what it had.
        error.delivery = Delivery.UNKNOWN
    return error


def is_page(headers: Mapping[str, str]) -> bool:
    """Whether an answer is a web page; the API sends none, so something in between did."""
    return headers.get("Content-Type", "").lstrip().lower().startswith("text/html")


def _no_answer(status: int) -> str:
    redirect = 300 <= status < 400 and status != 304
    return "a redirect, which is not followed" if redirect else "which is no answer to that"


def retry_after_of(reply: Reply) -> float | None:
    """Reads the seconds that the server asks to wait; None without a value, or with nonsense.

    A date is measured against the answer's own `Date`, so that a wrong clock here does not matter. Where
    a 429 has no `Retry-After`, `X-RateLimit-Reset` is read, which the analytics routes send (in seconds
    since 1970).
    """
    value = reply.headers.get("Retry-After", "").strip()
    if re.fullmatch(r"\d+(\.\d+)?", value, re.ASCII):
        seconds = float(value)
        return seconds if math.isfinite(seconds) else None
    due = _moment(value)
    reset = reply.headers.get("X-RateLimit-Reset", "").strip()
    if not value and reply.status == 429 and re.fullmatch(r"\d{10}", reset, re.ASCII):
        due = datetime.fromtimestamp(int(reset), UTC)
    if due is None:
        return None
    since = _moment(reply.headers.get("Date", "")) or datetime.now(UTC)
    return max(0.0, (due - since).total_seconds())


def limits_of(reply: Reply) -> Limits | None:
    """Reads what an answer says of the account's limits; None where it says nothing."""
    headers = reply.headers
    found = {name: headers[header] for header, name in _LIMITS.items() if header in headers}
    truncated = headers.get("X-Rows-Truncated", "").strip().lower() == "true"
    numbers = {
        name: int(text) for name, text in found.items() if re.fullmatch(r"\d{1,15}", text, re.ASCII)
    }
    return Limits(numbers, truncated) if numbers or truncated else None


def _moment(value: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
