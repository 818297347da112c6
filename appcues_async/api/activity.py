"""A user's events and profile in one request, version 1 ("HTTP API (Developer)" of the help pages).

It takes no credentials and is sent none; its errors have a form of their own; and of accounts in the EU
it is on another server, as the vendor's mobile SDKs have it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from appcues_async.errors import InvalidInput
from appcues_async.rows.attributes import flat_attributes, free_attributes
from appcues_async.rows.ids import UserId, id_rule
from appcues_async.rows.moments import unix_or_iso
from appcues_async.rows.values import check_event_name, check_text, shown
from appcues_async.wire.codec import encode, expect_success
from appcues_async.wire.request import Endpoint, Repeat, Server
from appcues_async.wire.sender import Sender

__all__ = ["Activity"]

_ROUTE: Final = "/v1/accounts/{account_id}/users/{user_id}/activity"
RECORD: Final = Endpoint("POST", _ROUTE, Repeat.UNSAFE, server=Server.ACTIVITY)
UPDATE: Final = Endpoint("POST", _ROUTE, Repeat.SAFE, server=Server.ACTIVITY)

_FIELDS: Final = frozenset({"name", "timestamp", "attributes"})


class Activity:
    """`client.activity`: a user's events and profile in one request, version 1."""

    def __init__(self, sender: Sender) -> None:
        """Sends nothing yet.

        Args:
            sender: Sends.
        """
        self._sender = sender

    async def record(
        self,
        user_id: UserId,
        *,
        events: Iterable[Mapping[str, Any]] = (),
        profile_update: Mapping[str, Any] | None = None,
        request_id: str | None = None,
        strict: bool = True,
        allow_ids: Iterable[UserId] = (),
    ) -> None:
        """Records events of a user, changes attributes of the profile, or both.

        A user whom Appcues does not know is made. Recording events twice makes them more, so a request
        with events whose answer was lost is not repeated; that a `request_id` would prevent it is
        documented nowhere.

        Args:
            user_id: Who.
            events: Mappings of `name` (at most 127 characters, not beginning with `appcues:`),
                `timestamp` (an aware datetime, ISO 8601 text with an offset, or Unix seconds; now if
                left out) and `attributes` (which may be left out).
            profile_update: Text, numbers, booleans, dates, aware datetimes or None, by name.
            request_id: Any text, for the request to be known by.
            strict: Refuse nested values in the profile, times without a zone, and other fields of
                events; no document says what becomes of those.
            allow_ids: Ids that are taken although they look like none, such as `null` or `12345.0`.

        Raises:
            InvalidInput: There is nothing to record, or a value is refused; nothing was sent.
            OutcomeUnknown: Nothing says whether the events were recorded.
        """
        if isinstance(events, str | bytes | Mapping) or not isinstance(events, Iterable):
            raise InvalidInput(f"events is {shown(events)}; give a list of events, even of one")
        user = id_rule(allow_ids).check(user_id)
        now = self._sender.clock.now()
        listed = [
            _event(one, f"events[{number}]", now, strict=strict)
            for number, one in enumerate(events)
        ]
        body: dict[str, Any] = {}
        if request_id is not None:
            body["request_id"] = check_text(request_id, "request_id")
        if listed:
            body["events"] = listed
        if profile_update is not None:
            checked = flat_attributes(profile_update, "profile_update", strict=strict)
            if checked:
                body["profile_update"] = checked
        if not body.keys() - {"request_id"}:
            raise InvalidInput("there is nothing to record; give events, profile_update or both")
        endpoint = RECORD if listed else UPDATE
        await self._sender.send(endpoint.request(encode(body), user_id=user), expect_success)


def _event(given: Any, where: str, now: datetime, *, strict: bool) -> dict[str, Any]:
    if not isinstance(given, Mapping):
        raise InvalidInput(f"{where} is {shown(given)}; an event is a mapping with a name")
    others = {name: value for name, value in given.items() if name not in _FIELDS}
    if others and strict:
        raise InvalidInput(
            f"{where} has the field {shown(next(iter(others)))}; an event has name, timestamp and "
            "attributes: put what else is known of it into attributes"
        )
    moment = given.get("timestamp")
    event = {
        **free_attributes(others, where, strict=strict),
        "name": check_event_name(given.get("name"), f"{where}.name"),
        "timestamp": unix_or_iso(
            now if moment is None else moment, f"{where}.timestamp", strict=strict
        ),
    }
    if given.get("attributes") is not None:
        event["attributes"] = free_attributes(
            given["attributes"], f"{where}.attributes", strict=strict
        )
    return event
