"""Events in bulk, as a file (reference, "Exporting Data in Bulk")."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, Literal, get_args

from appcues_async.api.conditions import Conditions, conditions_of
from appcues_async.api.resource import JobResource
from appcues_async.errors import InvalidInput
from appcues_async.rows.moments import Moment, Zone, offset_of, range_edge
from appcues_async.rows.values import check_text, shown, whole_number
from appcues_async.waiting.handle import JobHandle
from appcues_async.wire.codec import encode
from appcues_async.wire.request import Endpoint, Repeat

__all__ = ["ExportFormat", "Exports"]

EXPORT_EVENTS: Final = Endpoint("POST", "export/events", Repeat.UNSAFE)
MOST_EVENTS: Final = 10_000_000

ExportFormat = Literal["csv", "json"]
"""How the exported file is written."""


class Exports(JobResource):
    """`client.exports`: events in bulk, as a file."""

    async def events(
        self,
        *,
        email: str | Iterable[str] | None,
        format: ExportFormat,  # noqa: A002 - the public word
        conditions: Conditions,
        start_time: Moment,
        end_time: Moment | None = None,
        time_zone: Zone | None = None,
        limit: int | None = None,
        offset: int | None = None,
    ) -> JobHandle:
        """Starts an export of events; its file comes by e-mail, as a link that is good for a week.

        Where the ended job shows a link as well, `await handle.download(path)` fetches the file. A
        second export would be a second file and e-mail, so a request whose answer was lost is sent again
        only where the account's jobs show that it was not applied.

        Args:
            email: Where to send the link: an address or several. The documents require one; None leaves
                it out, for the server to judge.
            format: How the file is written, `csv` or `json`.
            conditions: Which events: a condition made with `where`, or a list of conditions that must
                all hold; [] for all.
            start_time: The beginning of the range: a date, an aware datetime, ISO 8601 text, or
                milliseconds since 1970.
            end_time: Its end, likewise.
            time_zone: The zone of times in the file, as an offset from UTC: text such as `-04:00`,
                minutes, a timedelta or a tzinfo (of one with summer time, the offset that it has now).
            limit: How many events at the most, up to 10,000,000.
            offset: How many events to leave out first.

        Returns:
            The job that makes the file.

        Raises:
            InvalidInput: A value is refused, before anything is sent.
            OutcomeUnknown: Nothing says whether it was started.
            AppcuesError: It was not accepted.
        """
        if format not in get_args(ExportFormat):
            raise InvalidInput(f"format is {shown(format)}; it must be 'csv' or 'json'")
        body: dict[str, Any] = {} if email is None else {"email": _addresses(email)}
        body |= {
            "format": format,
            "conditions": conditions_of(conditions),
            "start_time": range_edge(start_time, "start_time"),
        }
        if end_time is not None:
            body["end_time"] = range_edge(end_time, "end_time")
        if time_zone is not None:
            body["time_zone"] = offset_of(time_zone, self._sender.clock.now())
        if limit is not None:
            body["limit"] = whole_number(limit, "limit", 1, MOST_EVENTS)
        if offset is not None:
            body["offset"] = whole_number(offset, "offset", 0)
        return await self._starter.start(EXPORT_EVENTS.request(encode(body)))


def _addresses(email: object) -> str | list[str]:
    if isinstance(email, str):
        return _address(email, "email")
    if not isinstance(email, Iterable):
        raise InvalidInput(f"email is {shown(email)}; give an address, or a list of them")
    addresses = [_address(one, f"email[{number}]") for number, one in enumerate(email)]
    if not addresses:
        raise InvalidInput("email is an empty list; give an address, or None to leave it out")
    return addresses


def _address(value: object, where: str) -> str:
    address = check_text(value, where)
    if "@" not in address or address != address.strip():
        raise InvalidInput(f"{where} is {shown(address)}; it must be an address with an @ in it")
    return address
