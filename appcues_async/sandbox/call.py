"""One request as a route sees it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import parse_qsl

from attrs import define, field, frozen

from appcues_async.sandbox.bodies import FILE_LIMIT, RAW_LIMIT, Inbound, Spool, media_type
from appcues_async.sandbox.encoding import NotJSON, decode_json
from appcues_async.sandbox.multipart import FilePart, find_file
from appcues_async.sandbox.problems import Refusal
from appcues_async.sandbox.state import State

if TYPE_CHECKING:
    from aiohttp import web

__all__ = ["CSV", "JSON", "MULTIPART", "NDJSON", "Call", "Upload"]

JSON: Final = "application/json"
NDJSON: Final = "application/ndjson"
CSV: Final = "text/csv"
MULTIPART: Final = ("multipart/form-data", "multipart/mixed")

#: How much longer than its file a multipart body may be, in bytes.
_ENVELOPE: Final = 1 << 20
#: Text of up to this many bytes is read on the loop; it takes less than a thread costs.
_READ_AT_ONCE: Final = 32 * 1024

_Result = TypeVar("_Result")


@frozen
class Upload:
    """Text that was uploaded.

    Attributes:
        text: A file that stands where the text starts and ends where the text ends.
        is_csv: CSV if true, else Newline-Delimited JSON.
        size: Its length in bytes.
    """

    text: Spool
    is_csv: bool
    size: int


@define(eq=False, kw_only=True)
class Call:
    """A request that is being answered.

    Attributes:
        state: What the account holds.
        request: The request as aiohttp has it.
        method: Its HTTP method.
        path: Its path as it was sent, without the query.
        raw_query: Its query as it was sent.
        body: Its body.
        workers: Threads for what takes long.
        parameters: The variable parts of its path, decoded.
    """

    state: State
    request: web.BaseRequest
    method: str
    path: str
    raw_query: str
    body: Inbound
    workers: Executor
    parameters: Mapping[str, str] = field(factory=dict[str, str])

    @property
    def wants_csv(self) -> bool:
        """Whether the Accept header prefers CSV."""
        best = {"application/json": -1.0, "text/csv": 0.0}
        for choice in self.request.headers.get("Accept", "").split(","):
            kind, *parameters = [part.strip() for part in choice.lower().split(";")]
            quality = 1.0
            for parameter in parameters:
                if parameter.startswith("q="):
                    try:
                        quality = float(parameter[2:])
                    except ValueError:
                        quality = 0.0
            if kind in best:
                best[kind] = max(best[kind], quality)
        return best["text/csv"] > max(best["application/json"], 0.0)

    @property
    def origin(self) -> str:
        """The sandbox's origin, with the host that the caller used."""
        return f"{self.request.scheme}://{self.request.host}"

    @property
    def account_url(self) -> str:
        """The URL that the account's paths are below."""
        return f"{self.origin}/v2/accounts/{self.path.split('/')[3]}"

    @property
    def query(self) -> dict[str, str]:
        """The query, decoded; the last value of a name counts."""
        return dict(parse_qsl(self.raw_query, keep_blank_values=True))

    async def json_object(self, *, limit: int = RAW_LIMIT) -> dict[str, Any]:
        """Reads a body that must be a JSON object.

        Args:
            limit: The most bytes that it may have.

        Raises:
            Refusal: 415 for another content type, 413 if it is too large, 400 for anything else
                than a JSON object.
        """
        self._content_type((JSON,))
        try:
            content = decode_json(await self.body.read(limit))
        except (NotJSON, UnicodeDecodeError) as error:
            raise Refusal(400, "The body is not valid JSON") from error
        if not isinstance(content, dict):
            raise Refusal(400, "The body must be a JSON object")
        return content

    async def upload(
        self,
        read: Callable[[Upload], _Result],
        *,
        accepted: Sequence[str] = (NDJSON, CSV, *MULTIPART),
        also: Sequence[str] = (),
        limit: int | None = None,
    ) -> _Result:
        """Reads an upload, raw or multipart, without blocking the loop.

        Args:
            read: What to do with it; runs in another thread if it is long.
            accepted: The content types that are taken.
            also: Content types that the endpoint takes elsewhere, to be named when it refuses.
            limit: The most bytes that the body may have; None for the limits of uploads.

        Raises:
            Refusal: 415 for another content type, 413 if it is too large, 400 if it is malformed.
        """
        kind, parameters = self._content_type(accepted, also)
        multipart = kind in MULTIPART
        if multipart and not parameters.get("boundary"):
            raise Refusal(400, "The multipart boundary is missing in the Content-Type header")
        if limit is None:
            limit = FILE_LIMIT + _ENVELOPE if multipart else RAW_LIMIT
        spool = await self.body.spool(limit, self.workers)

        def work() -> _Result:
            if multipart:
                return read(_unpack(spool, parameters["boundary"]))
            return read(Upload(spool, kind == CSV, self.body.received))

        return await self._off_loop(spool, work)

    async def json_user_ids(self, name: str, *, limit: int = RAW_LIMIT) -> list[str]:
        """Reads the user ids that a JSON object lists under a name.

        Raises:
            Refusal: What `json_object` raises, and 400 if they are no list of strings, or there
                are none.
        """
        user_ids = (await self.json_object(limit=limit)).get(name)
        if not isinstance(user_ids, list) or not all(isinstance(i, str) and i for i in user_ids):
            raise Refusal(400, f"`{name}` must be an array of strings that are not empty")
        if not user_ids:
            raise Refusal(400, f"`{name}` is empty")
        return user_ids

    def is_json(self) -> bool:
        """Returns whether the Content-Type is that of one JSON document."""
        return media_type(self.request.headers.get("Content-Type"))[0] == JSON

    async def in_thread(self, work: Callable[[], _Result]) -> _Result:
        """Runs long work in a thread."""
        return await asyncio.get_running_loop().run_in_executor(self.workers, work)

    async def _off_loop(self, spool: Spool, work: Callable[[], _Result]) -> _Result:
        if self.body.received <= _READ_AT_ONCE:
            try:
                return work()
            finally:
                spool.close()
        running = self.workers.submit(work)
        # Whoever is cancelled here leaves a thread behind that still reads the file.
        running.add_done_callback(lambda _: spool.close())
        return await asyncio.wrap_future(running)

    def _content_type(
        self, accepted: Sequence[str], also: Sequence[str] = ()
    ) -> tuple[str, dict[str, str]]:
        header = self.request.headers.get("Content-Type")
        kind, parameters = media_type(header)
        if kind not in accepted:
            choices = ", ".join((*also, *accepted))
            raise Refusal(415, f"Content-type {header!r} is not supported here; use {choices}")
        charset = parameters.get("charset", "utf-8").lower()
        if charset not in {"utf-8", "utf8"}:
            raise Refusal(415, f"The character set {charset!r} is not supported; use UTF-8")
        encoding = self.request.headers.get("Content-Encoding", "identity").lower()
        if encoding != "identity":
            raise Refusal(415, f"Content-encoding {encoding!r} is not supported")
        return kind, parameters


def _unpack(spool: Spool, boundary: str) -> Upload:
    part = find_file(spool, boundary)
    size = part.end - part.start
    if size > FILE_LIMIT:
        raise Refusal(413, f"The file is larger than {FILE_LIMIT} bytes")
    spool.truncate(part.end)
    is_csv = _is_csv(part, spool)
    spool.seek(part.start)
    return Upload(spool, is_csv, size)


def _is_csv(part: FilePart, spool: Spool) -> bool:
    """Returns whether a file is CSV by its type, else its name, else its first character."""
    if part.content_type in {CSV, NDJSON}:
        return part.content_type == CSV
    ending = part.file_name.lower().rpartition(".")[2]
    if ending in {"csv", "ndjson"}:
        return ending == "csv"
    spool.seek(part.start)
    return spool.read(1024).lstrip()[:1] not in {b"{", b'"'}
