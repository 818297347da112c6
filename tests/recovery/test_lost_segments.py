"""Segments whose answers were lost."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from appcues_async import (
    AppcuesClient,
    OutcomeUnknown,
    Timeouts,
)
from appcues_async.sandbox import Answer, Reset, Sandbox
from tests.recovery.uploads import lose, of_each


async def test_a_segment_that_was_made_is_not_made_again(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    old = await client.segments.create("Friends", "All of them")
    sandbox.segments[old.id].created_at = datetime.now(UTC) - timedelta(hours=1)
    lose(sandbox, Reset(applied=True), path="segments")
    segment = await client.segments.create("Friends", "All of them")
    assert set(sandbox.segments) == {old.id, segment.id}
    assert (segment.name, segment.description) == ("Friends", "All of them")


async def test_a_segment_that_was_not_made_is_made_now(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    others = [await client.segments.create("Friends"), await client.segments.create("Foes", "x")]
    lose(sandbox, Answer(503), path="segments")
    segment = await client.segments.create("Foes")
    assert set(sandbox.segments) == {segment.id, *(one.id for one in others)}


async def test_a_segment_that_is_listed_at_once_is_not_waited_for(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    lose(sandbox, Answer(502, applied=True), path="segments")
    patient = client.with_options(timeouts=Timeouts(settle=1_000))
    async with asyncio.timeout(30):
        segment = await patient.segments.create("Friends", "All of them")
    assert set(sandbox.segments) == {segment.id}


async def test_two_segments_alike_of_which_one_was_made_are_unknown(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    lose(sandbox, Reset(applied=True), Reset(), path="segments")
    ends = await of_each(client.segments.create("Friends"), client.segments.create("Friends"))
    assert all(isinstance(error, OutcomeUnknown) and not error.candidates for error in ends)
    assert len(sandbox.segments) == 1


async def test_two_segments_of_other_names_do_not_stand_in_each_others_way(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    lose(sandbox, Reset(applied=True), Reset(), path="segments")
    await asyncio.gather(client.segments.create("Friends"), client.segments.create("Foes"))
    assert sorted(one.name for one in sandbox.segments.values()) == ["Foes", "Friends"]
