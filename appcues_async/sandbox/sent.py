"""The effects of what a program sent, for tests to compare with, and data that is seeded before."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import Any, Self

from attrs import field, frozen

from appcues_async.sandbox.rows import check_event_name
from appcues_async.sandbox.state import Segment, State

__all__ = ["Sent", "SentByKey", "SentEvents", "seed_state"]


class SentEvents(list[dict[str, Any]]):
    """Events; a list whose comparisons the pytest plugin explains."""


class SentByKey(dict[str, Any]):
    """Profiles or ids; a dict whose comparisons the pytest plugin explains."""


@frozen
class Sent:
    """The effects of requests on an account, as plain values.

    Attributes:
        events: `user_id`, `name` and `attributes` of each event, in the order they took effect.
            Timestamps are left out, so that they can be compared; `Sandbox.events` has them.
        profiles: Attributes by user id.
        ids: The user ids in each segment, sorted, by the segment's id; empty ones are left out.
    """

    events: list[dict[str, Any]] = field(factory=SentEvents)
    profiles: dict[str, dict[str, Any]] = field(factory=SentByKey)
    ids: dict[str, list[str]] = field(factory=SentByKey)

    @classmethod
    def since(cls, before: Self, state: State) -> Self:
        """Returns what an account holds beyond what it held before."""
        return cls.beyond(
            before,
            events=state.events,
            profiles=state.profiles,
            ids={segment.id: segment.user_ids for segment in state.segments.values()},
        )

    @classmethod
    def beyond(
        cls,
        before: Self,
        *,
        events: Iterable[Mapping[str, Any]],
        profiles: Mapping[str, Mapping[str, Any]],
        ids: Mapping[str, Iterable[str]],
    ) -> Self:
        """Returns those of the values that were not there before."""
        seeded = list(before.events)
        new_events = SentEvents()
        for event in events:
            plain = {name: copy.deepcopy(event[name]) for name in ("user_id", "name", "attributes")}
            if seeded and plain in seeded:
                seeded.remove(plain)
            else:
                new_events.append(plain)
        new_profiles = SentByKey()
        for user_id, attributes in profiles.items():
            known = before.profiles.get(user_id)
            changed = _changed(known or {}, attributes)
            if changed or known is None:
                new_profiles[user_id] = copy.deepcopy(changed)
        new_ids = SentByKey()
        for segment_id, members in ids.items():
            added = sorted(set(members) - set(before.ids.get(segment_id, ())))
            if added:
                new_ids[segment_id] = added
        return cls(new_events, new_profiles, new_ids)


def seed_state(
    state: State,
    profiles: Mapping[str, Any],
    events: Iterable[Mapping[str, Any]],
    segments: Mapping[str, Any],
) -> None:
    """Puts data into an account, all of it or none.

    Raises:
        ValueError: Something is malformed.
    """
    now = state.clock.now()
    for user_id, attributes in profiles.items():
        if not user_id or not isinstance(attributes, Mapping):
            raise ValueError(
                f"profiles must be attributes by user id, not {user_id!r}: {attributes!r}"
            )
    read = [_read_event(event, now.isoformat()) for event in events]
    members: dict[str, set[str]] = {}
    for segment_id, user_ids in segments.items():
        # A mapping would give its names, and text its letters, as ids.
        is_list = isinstance(user_ids, Iterable) and not isinstance(user_ids, str | Mapping)
        found: list[Any] = list(user_ids) if is_list else []
        if not is_list or not all(isinstance(one, str) and one for one in found):
            raise ValueError(
                f"segments must be lists of user ids by segment id, not {user_ids!r}; "
                "such as {'pros': ['007', '008']}"
            )
        members[segment_id] = set(found)
    for user_id, attributes in profiles.items():
        state.update_profile(user_id, copy.deepcopy(dict(attributes)))
    state.record_events(read)
    for segment_id, found_ids in members.items():
        if segment_id not in state.segments:
            state.segments[segment_id] = Segment(
                id=segment_id,
                name=segment_id,
                created_at=now,
                created_by=state.author,
                updated_at=now,
                updated_by=state.author,
            )
        state.segments[segment_id].user_ids.update(found_ids)


def _changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    nothing = object()
    # 1 is not True, nor 1.0, for a server that keeps types.
    return {
        name: value
        for name, value in after.items()
        if (type(value), value) != (type(before.get(name, nothing)), before.get(name, nothing))
    }


def _read_event(event: Mapping[str, Any], now: str) -> dict[str, Any]:
    known = {"user_id", "name", "timestamp", "attributes"}
    user_id = event.get("user_id")
    if (
        not (isinstance(user_id, str) and user_id)
        or not check_event_name(event.get("name"))
        or not isinstance(event.get("attributes", {}), Mapping)
        or not event.keys() <= known
    ):
        raise ValueError(
            "an event has user_id and name, and may have timestamp and attributes; "
            f"this one is {event!r}"
        )
    return {
        "user_id": user_id,
        "name": event["name"],
        "timestamp": event.get("timestamp", now),
        "attributes": copy.deepcopy(dict(event.get("attributes", {}))),
    }
