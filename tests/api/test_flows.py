"""Flows: listed, got, published and unpublished, against the sandbox."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from appcues_async import AppcuesClient, NotFound
from appcues_async.sandbox import Answer, Sandbox
from tests.api.conftest import answer, asked


async def test_flows_are_listed_with_aware_times(client: AppcuesClient) -> None:
    one, two = await client.flows.list()
    assert (one.id, one.published, two.id, two.published) == ("flow1", True, "flow2", False)
    assert one.created_at is not None
    assert one.created_at.utcoffset() is not None
    assert two.published_at is None


async def test_a_flow_is_got_by_its_id(client: AppcuesClient) -> None:
    flow = await client.flows.get("flow2")
    assert (flow.id, flow.published) == ("flow2", False)


async def test_publish_and_unpublish_flip_published(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    await client.flows.publish("flow2")
    assert sandbox.flows["flow2"].published
    await client.flows.unpublish("flow2")
    assert not sandbox.flows["flow2"].published
    assert asked(sandbox) == ["POST flows/flow2/publish", "POST flows/flow2/unpublish"]


async def test_a_flow_that_never_was_is_not_found(client: AppcuesClient) -> None:
    with pytest.raises(NotFound):
        await client.flows.publish("nothing")


@pytest.mark.parametrize("status", [200, 201, 202, 204])
async def test_any_2xx_without_a_body_is_a_success(
    sandbox: Sandbox, client: AppcuesClient, status: int
) -> None:
    sandbox.faults.add(Answer(status, body=""))
    await client.flows.publish("flow1")


async def test_publishing_is_repeated_when_its_answer_is_lost(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    sandbox.faults.add(Answer(502, applied=True))
    await client.flows.publish("flow2")
    assert len(sandbox.requests) == 2


async def test_epoch_milliseconds_are_a_time_as_well(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    answer(sandbox, {"id": "f", "created_at": 1617639669000})
    flow = await client.flows.get("f")
    assert flow.created_at == datetime(2021, 4, 5, 16, 21, 9, tzinfo=UTC)


async def test_what_is_of_another_type_than_documented_is_kept_in_extra(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    odd = {"published": "false", "frequency": {"type": "once"}, "created_by": 461, "steps": []}
    answer(sandbox, {"id": "f", **odd})
    flow = await client.flows.get("f")
    assert (flow.published, flow.frequency, flow.created_by) == (None, None, None)
    assert flow.extra == odd
