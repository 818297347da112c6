"""What is sent again after a lost answer, and what is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from appcues_async import (
    AppcuesClient,
    ConnectionFailed,
    Delivery,
    Forbidden,
    InvalidInput,
    NotFound,
    OutcomeUnknown,
    RetryPolicy,
)
from appcues_async.notices import AttemptFailed, Notice
from appcues_async.sandbox import Answer, Close, Raw, Reset, Sandbox, Truncate
from tests.conftest import SOON
from tests.wire.conftest import EVENT, IMPORT_EVENTS, IMPORT_PROFILES, sent

FAULTS = {
    "reset before the body": Reset(after="headers"),
    "reset after the body": Reset(),
    "closed after the body": Close(),
    "applied, then reset": Reset(applied=True),
    "applied, then closed": Close(applied=True),
    "applied, then 500": Answer(500, applied=True),
    "502 from a proxy": Answer.html(502),
    "a success cut short": Truncate(),
    "no http at all": Raw(b"lorem ipsum\r\n\r\n"),
    "a success that is no json": Answer.html(202, applied=True),
    "408": Answer(408),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
async def test_profiles_are_sent_again_after_any_lost_answer(
    sandbox: Sandbox, client: AppcuesClient, fault: Answer
) -> None:
    sandbox.faults.add(fault, path=IMPORT_PROFILES)
    job = await (await client.imports.profiles([{"user_id": "007", "plan": "pro"}]))
    assert job.status == "COMPLETED"
    assert sandbox.profiles["007"]["plan"] == "pro"
    assert sent(sandbox, "import/profiles") == 2


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
async def test_events_are_never_sent_again_unasked_after_a_lost_answer(
    sandbox: Sandbox, client: AppcuesClient, fault: Answer
) -> None:
    sandbox.faults.add(fault, path=IMPORT_EVENTS)
    with pytest.raises(OutcomeUnknown) as caught:
        await client.with_options(on_unknown="raise").imports.events([EVENT])
    assert caught.value.delivery is Delivery.UNKNOWN
    assert sent(sandbox, "import/events") == 1


async def test_a_segment_is_not_made_twice(sandbox: Sandbox, client: AppcuesClient) -> None:
    sandbox.faults.add(Answer(503, applied=True))
    with pytest.raises(OutcomeUnknown) as caught:
        await client.with_options(on_unknown="raise").segments.create("one")
    assert caught.value.status == 503
    assert len(sandbox.segments) == 1


async def test_resend_sends_events_again(sandbox: Sandbox, client: AppcuesClient) -> None:
    sandbox.faults.add(Reset(applied=True), path=IMPORT_EVENTS)
    await (await client.with_options(on_unknown="resend").imports.events([EVENT]))
    assert len(sandbox.events) == 2


async def test_events_are_sent_again_after_a_429(sandbox: Sandbox, client: AppcuesClient) -> None:
    sandbox.faults.add(Answer(429), path=IMPORT_EVENTS, times=3)
    await (await client.imports.events([EVENT]))
    assert len(sandbox.events) == 1


async def test_a_connection_that_was_never_made_is_tried_again(sandbox: Sandbox) -> None:
    gone: dict[str, Any] = {**sandbox.credentials, "base_url": "http://127.0.0.1:1"}
    told: list[Notice] = []
    async with AppcuesClient(**gone, retry=SOON, throttle=None, on_notice=told.append) as client:
        with pytest.raises(ConnectionFailed) as caught:
            await client.imports.events([EVENT])
    assert caught.value.delivery is Delivery.NOT_SENT
    assert [attempt.number for attempt in caught.value.attempts] == [1, 2, 3, 4, 5]
    assert caught.value.attempts[-1].delay is None
    assert sum(isinstance(notice, AttemptFailed) for notice in told) == 5


async def test_the_last_error_tells_of_every_attempt(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    sandbox.faults.add(Answer(500))
    sandbox.faults.add(Reset(after="headers"))
    sandbox.faults.add(Answer(403))
    with pytest.raises(Forbidden) as caught:
        await client.segments.list()
    assert [(one.error, one.status) for one in caught.value.attempts] == [
        ("ServerError (500)", 500),
        ("OutcomeUnknown", None),
        ("Forbidden (403)", 403),
    ]


async def test_aiohttp_does_not_send_again_behind_our_back(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    once = client.with_options(retry=RetryPolicy(attempts=1))
    sandbox.faults.add(Close(), times=None)
    with pytest.raises(OutcomeUnknown):
        await once.segments.list()
    with pytest.raises(OutcomeUnknown):
        await once.segments.delete("x")
    assert len(sandbox.requests) == 2


async def test_a_delete_whose_answer_was_lost_succeeds_when_the_segment_is_gone(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    segment = await client.segments.create("one")
    sandbox.faults.add(Reset(applied=True), method="DELETE")
    await client.segments.delete(segment.id)
    assert not sandbox.segments


async def test_a_delete_of_what_never_was_is_not_found(client: AppcuesClient) -> None:
    with pytest.raises(NotFound):
        await client.segments.delete("nowhere")


async def test_a_stale_connection_does_not_fail_an_upload(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    await client.segments.list()
    sandbox.faults.add(Answer(200, body="[]", close=True))
    await client.segments.list()
    await (await client.imports.events([EVENT]))


async def test_a_half_sent_file_is_sent_again_from_its_start(
    sandbox: Sandbox, client: AppcuesClient, users_csv: Path
) -> None:
    sandbox.faults.add(Reset(after=15_000_000), path=IMPORT_PROFILES)
    job = await (await client.imports.profiles(users_csv))
    assert job.ingestions_completed == 310_000
    uploads = [one for one in sandbox.requests if one.path.endswith("import/profiles")]
    assert len(uploads) == 2
    assert uploads[0].body_bytes < 20_000_000 < uploads[1].body_bytes


async def test_a_429_that_comes_while_the_body_is_sent_is_a_429(
    sandbox: Sandbox, client: AppcuesClient, users_csv: Path
) -> None:
    sandbox.faults.add(Answer(429, after=1_000_000, close=True), path=IMPORT_PROFILES)
    job = await (await client.imports.profiles(users_csv))
    assert job.ingestions_completed == 310_000


async def test_a_file_that_changes_before_it_is_sent_again_is_not_sent(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    path = tmp_path / "users.csv"
    path.write_text("user_id\n007\n")

    def meddle(notice: Notice) -> None:
        if isinstance(notice, AttemptFailed) and notice.number == 1:
            path.write_text("user_id\n008\n009\n")

    sandbox.faults.add(Reset())
    async with AppcuesClient(**sandbox.credentials, retry=SOON, on_notice=meddle) as client:
        with pytest.raises(InvalidInput, match="has changed since its upload began"):
            await client.imports.profiles(path)
