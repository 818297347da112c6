"""Rows that are put: checked by the one judge, taken at once, sent in batches."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from appcues_async import AppcuesClient, InvalidInput
from appcues_async.sandbox import Sandbox
from tests.outbox.conftest import SOONER, names, until, uploads


async def test_events_and_updates_arrive_in_batches(
    client: AppcuesClient, sandbox: Sandbox, place: Path | None
) -> None:
    async with client.outbox(place, every=60) as outbox:
        for number in range(20):
            await outbox.track(f"u{number}", f"Event {number}", attributes={"n": number})
            await outbox.update_profile(f"u{number}", {"n": number})
        await outbox.flush(wait=True)

    assert names(sandbox) == [f"Event {number}" for number in range(20)]
    assert sandbox.profiles == {f"u{number}": {"n": number} for number in range(20)}
    # One of them may be cut in two, so that no two on their way have as many rows.
    assert len(uploads(sandbox)) <= 3


async def test_what_is_put_is_sent_without_a_flush(
    client: AppcuesClient, sandbox: Sandbox, place: Path | None
) -> None:
    async with client.outbox(place, every=SOONER) as outbox:
        await outbox.track("u1", "Signed up")
        await until(lambda: names(sandbox) == ["Signed up"])


async def test_an_event_without_a_time_is_of_the_moment_that_it_was_put(
    client: AppcuesClient, sandbox: Sandbox, place: Path | None
) -> None:
    before = datetime.now(UTC)
    async with client.outbox(place, every=SOONER) as outbox:
        await outbox.track("u1", "Signed up")
        after = datetime.now(UTC)
        await outbox.flush(wait=True)
    (event,) = sandbox.events
    assert before <= datetime.fromisoformat(event["timestamp"]) <= after


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (("track", "", "Signed up"), "user_id"),
        (("track", "nan", "Signed up"), "nan"),
        (("track", "u1", "appcues:mine"), "reserved"),
        (("track", "u1", "x" * 128), "127"),
        (("update_profile", "u1", {"plan": ["pro"]}), "nested"),
        (("update_profile", "u1", {"score": float("nan")}), "nan"),
        (("update_profile", "u1", {"at": datetime(2026, 7, 1)}), "zone"),
        (("update_profile", "u1", {}), "empty"),
        (("update_profile", "u1", [("plan", "pro")]), "mapping"),
        (("update_profile", "u1", {"userId": "u2"}), "userId"),
    ],
)
async def test_a_row_that_would_be_refused_or_lost_is_refused_at_once(
    client: AppcuesClient, sandbox: Sandbox, path: Path, call: tuple[Any, ...], says: str
) -> None:
    async with client.outbox(path, every=SOONER) as outbox:
        with pytest.raises(InvalidInput, match=says):
            await getattr(outbox, call[0])(*call[1:])
        await outbox.flush()
    assert uploads(sandbox) == []


async def test_ids_that_look_like_none_are_taken_where_they_are_allowed(
    client: AppcuesClient, sandbox: Sandbox
) -> None:
    async with client.outbox(allow_ids=["null"]) as outbox:
        await outbox.track("null", "Signed up")
        await outbox.flush()
    assert [event["user_id"] for event in sandbox.events] == ["null"]


async def test_updates_of_a_user_are_merged_in_their_order(
    client: AppcuesClient, sandbox: Sandbox, place: Path | None
) -> None:
    async with client.outbox(place, every=60) as outbox:
        await outbox.update_profile("u1", {"plan": "free", "seats": 1})
        await outbox.update_profile("u2", {"plan": "free"})
        await outbox.update_profile("u1", {"plan": "pro", "price": Decimal("0.30")})
        await outbox.flush(wait=True)

    assert sandbox.profiles["u1"] == {"plan": "pro", "seats": 1, "price": 0.3}
    assert uploads(sandbox) == ["profiles"]
    (request,) = [one for one in sandbox.requests if one.method == "POST"]
    assert request.body is not None
    assert request.body.count(b"\n") == 2
    assert b"0.30" in request.body


async def test_two_at_the_same_time_are_both_kept(
    client: AppcuesClient, sandbox: Sandbox, place: Path | None
) -> None:
    async with client.outbox(place, every=SOONER) as outbox:
        await asyncio.gather(*(outbox.track("u1", f"Event {n}") for n in range(50)))
        await outbox.flush(wait=True)
    assert names(sandbox) == [f"Event {n}" for n in range(50)]


async def test_a_call_that_is_never_awaited_warns(client: AppcuesClient) -> None:
    async with client.outbox() as outbox:
        with pytest.warns(RuntimeWarning, match=r"track.* was never awaited"):
            outbox.track("u1", "Signed up")  # type: ignore[unused-coroutine]


@pytest.mark.parametrize(
    "options",
    [{"every": 0}, {"every": "2"}, {"drain": -1}, {"most_rows": 0}, {"on_full": "ignore"}],
)
def test_a_malformed_option_is_refused(options: dict[str, Any]) -> None:
    client = AppcuesClient("1", "key", "secret")
    with pytest.raises(InvalidInput, match=next(iter(options))):
        client.outbox(**options)


def test_an_unknown_option_is_refused() -> None:
    with pytest.raises(TypeError, match="did you mean 'every'"):
        AppcuesClient("1", "key", "secret").outbox(evry=2)  # type: ignore[call-arg]


async def test_an_outbox_that_is_not_open_says_so(client: AppcuesClient) -> None:
    outbox = client.outbox()
    with pytest.raises(RuntimeError, match="not open"):
        await outbox.track("u1", "Signed up")


async def test_a_folder_that_is_not_there_is_said(client: AppcuesClient, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="there is no such file or folder"):
        async with client.outbox(tmp_path / "nowhere" / "outbox.db"):
            pass
