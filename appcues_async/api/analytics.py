"""Questions to an account's analytics; not in the reference, used by the vendor's command line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from appcues_async.api.conditions import conditions_of
from appcues_async.api.resource import JobResource
from appcues_async.errors import InvalidInput
from appcues_async.models import Rows
from appcues_async.rows.attributes import check_json
from appcues_async.text import type_in_words
from appcues_async.waiting.address import ANALYTICS
from appcues_async.waiting.handle import JobHandle
from appcues_async.wire.codec import encode, read_objects
from appcues_async.wire.reply import Reply
from appcues_async.wire.request import Endpoint, Repeat

__all__ = ["Analytics"]

QUERY: Final = Endpoint("POST", "analytics/query")
EXPORT: Final = Endpoint("POST", ANALYTICS, Repeat.UNSAFE)


class Analytics(JobResource):
    """`client.analytics`: questions to the account's analytics.

    A question is a mapping, which the server alone judges: `metrics` and `dimensions` for sums, or
    `columns` for rows as they are; `conditions`, of which all must hold; `start_time` and `end_time` as
    dates or moments; `timezone` by name; `order_by`, `limit`, `offset` and `rank_n`.
    """

    async def query(self, spec: Mapping[str, Any]) -> Rows:
        """Asks a question and has it answered at once, about 90 days at the most.

        Args:
            spec: The question; `conditions` may be made with `where`.

        Returns:
            The rows, 1,000 at the most; `truncated` says whether there were more.

        Raises:
            InvalidInput: A value in it cannot be sent.
            BadRequest: The server does not take the question.
        """
        return await self._sender.send(QUERY.request(_body(spec)), _read_rows)

    async def export(self, spec: Mapping[str, Any]) -> JobHandle:
        """Asks a question and has it answered in a file, however many rows it takes.

        `await handle.download(path)` fetches the file. The job is not in `client.jobs.list()`.

        Args:
            spec: The question; `conditions` may be made with `where`.

        Returns:
            The job that makes the file; until it has ended it is `queued` or `running`.

        Raises:
            InvalidInput: A value in it cannot be sent.
            BadRequest: The server does not take the question.
            OutcomeUnknown: Nothing says whether it was started; no list would show it.
        """
        return await self._starter.start(EXPORT.request(_body(spec)))


def _body(spec: object) -> bytes:
    if not isinstance(spec, Mapping):
        raise InvalidInput(f"spec is {type_in_words(spec)}; it must be a mapping of names")
    given = dict(spec)
    if "conditions" in given:
        given["conditions"] = conditions_of(given["conditions"])
    return encode(check_json(given, "spec"))


def _read_rows(reply: Reply) -> Rows:
    said = reply.headers.get("X-Rows-Truncated", "")
    return Rows(read_objects(reply), truncated=said.strip().lower() == "true")
