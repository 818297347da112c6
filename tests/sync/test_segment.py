from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from appcues_async import AppcuesClient, BulkFailed, InvalidInput
from appcues_async.sandbox import Sandbox
from tests.sync.conftest import add_segment, files, members, uploads


def ids(*numbers: int) -> list[str]:
    return [f"u{number}" for number in numbers]


async def test_exactly_these_are_left(
    client: AppcuesClient, sandbox: Sandbox, segment: str, state: Path
) -> None:
    first = await client.sync.segment(segment, ids(1, 2, 3, 4), state=state)
    assert (first.added, first.removed, first.applied) == (4, 0, 4)

    second = await client.sync.segment(segment, ids(2, 3, 5), state=state)

    assert members(sandbox, segment) == {"u2", "u3", "u5"}
    assert (second.unchanged, second.added, second.removed, second.applied) == (2, 1, 2, 3)
    assert second.ok


async def test_nothing_is_sent_where_nothing_changed(
    client: AppcuesClient, sandbox: Sandbox, segment: str, state: Path
) -> None:
    await client.sync.segment(segment, ids(1, 2), state=state)

    report = await client.sync.segment(segment, ids(2, 1), state=state)

    assert uploads(sandbox) == ["add_user_ids"]
    assert (report.unchanged, report.requests) == (2, 0)


async def test_members_added_elsewhere_stay_and_the_first_report_says_so(
    client: AppcuesClient, sandbox: Sandbox, state: Path
) -> None:
    segment = add_segment(sandbox, "elsewhere")

    first = await client.sync.segment(segment, ids(1, 2), state=state)
    second = await client.sync.segment(segment, ids(2), state=state)

    assert members(sandbox, segment) == {"u2", "elsewhere"}
    assert first.first
    assert "members that were added elsewhere stay" in first.summary()
    assert not second.first
    assert "elsewhere" not in second.summary()


@pytest.mark.parametrize("source", [[], ["u1"], b"", b"user_id\n", b"\n\n"])
async def test_a_source_that_shrank_by_more_than_half_is_refused(
    client: AppcuesClient, sandbox: Sandbox, segment: str, state: Path, source: list[str] | bytes
) -> None:
    await client.sync.segment(segment, ids(1, 2, 3), state=state)

    with pytest.raises(
        InvalidInput, match=r"the last one had 3.*allow_shrink=True, or --allow-shrink"
    ):
        await client.sync.segment(segment, source, state=state)

    assert members(sandbox, segment) == {"u1", "u2", "u3"}
    assert uploads(sandbox) == ["add_user_ids"]


async def test_half_of_the_last_source_is_enough(
    client: AppcuesClient, sandbox: Sandbox, segment: str, state: Path
) -> None:
    await client.sync.segment(segment, ids(1, 2, 3, 4), state=state)

    await client.sync.segment(segment, ids(1, 2), state=state)

    assert members(sandbox, segment) == {"u1", "u2"}


@pytest.mark.parametrize("source", [[], b"", b"user_id\n"])
async def test_a_source_may_be_allowed_to_shrink_to_nothing(
    client: AppcuesClient, sandbox: Sandbox, segment: str, state: Path, source: list[str] | bytes
) -> None:
    await client.sync.segment(segment, ids(1, 2, 3), state=state)

    await client.sync.segment(segment, source, state=state, allow_shrink=True)

    assert members(sandbox, segment) == set()


async def test_a_first_source_that_is_empty_is_refused(
    client: AppcuesClient, segment: str, state: Path, tmp_path: Path
) -> None:
    source = tmp_path / "ids.csv"
    source.write_bytes(b"")

    with pytest.raises(InvalidInput, match="the source has 0 ids"):
        await client.sync.segment(segment, source, state=state)


async def test_duplicates_are_counted(
    client: AppcuesClient, sandbox: Sandbox, segment: str, state: Path
) -> None:
    report = await client.sync.segment(segment, ids(1, 2, 1, 1), state=state)

    assert (report.rows, report.added, report.duplicates) == (4, 2, 2)
    assert members(sandbox, segment) == {"u1", "u2"}


async def test_every_source_of_ids_says_the_same(
    client: AppcuesClient, sandbox: Sandbox, segment: str, state: Path, tmp_path: Path
) -> None:
    table = tmp_path / "ids.csv"
    table.write_text('user_id\nu1\n"u2"\nu3\n')
    lines = tmp_path / "ids.ndjson"
    lines.write_text('"u1"\n"u2"\n"u3"\n')

    async def cursor() -> AsyncIterator[str]:
        for one in ids(1, 2, 3):
            yield one

    for source in (table, lines, b"u1\nu2\nu3\n", cursor(), iter(ids(1, 2, 3)), [table, lines]):
        await client.sync.segment(segment, source, state=state)

    assert uploads(sandbox) == ["add_user_ids"]


async def test_a_rejected_row_is_loud_and_keeps_no_other_back(
    client: AppcuesClient, sandbox: Sandbox, segment: str, state: Path
) -> None:
    with pytest.raises(BulkFailed, match="rejected: the rows: row 2") as caught:
        await client.sync.segment(segment, ["u1", "", "u2"], state=state)

    assert members(sandbox, segment) == {"u1", "u2"}
    assert caught.value.report.rejected == 1


async def test_stop_sends_nothing_where_a_row_is_rejected(
    client: AppcuesClient, sandbox: Sandbox, segment: str, state: Path
) -> None:
    with pytest.raises(InvalidInput, match=r"nothing was sent.* 1 rejected row;"):
        await client.sync.segment(segment, ["u1", "", "u2"], state=state, on_failure="stop")

    assert uploads(sandbox) == []


async def test_a_dry_run_sends_nothing_and_leaves_no_trace(
    client: AppcuesClient, sandbox: Sandbox, segment: str, state: Path
) -> None:
    report = await client.sync.segment(segment, ids(1, 2), state=state, dry_run=True)

    assert (report.added, report.to_send, report.applied, report.in_doubt) == (2, 2, 0, 0)
    assert report.samples["added"] == ["u1", "u2"]
    assert uploads(sandbox) == []
    assert files(state) == []


async def test_a_dry_run_shows_who_would_be_removed(
    client: AppcuesClient, sandbox: Sandbox, segment: str, state: Path
) -> None:
    await client.sync.segment(segment, ids(1, 2, 3), state=state)
    before = await asyncio.to_thread(state.read_bytes)

    report = await client.sync.segment(segment, ids(1, 4), state=state, dry_run=True)

    assert report.samples == {"added": ["u4"], "changed": [], "in_doubt": [], "gone": ["u2", "u3"]}
    assert report.removed == 2
    assert await asyncio.to_thread(state.read_bytes) == before


async def test_a_dry_run_tells_what_would_be_refused(
    client: AppcuesClient, segment: str, state: Path
) -> None:
    await client.sync.segment(segment, ids(1, 2, 3), state=state)

    shrunk = await client.sync.segment(segment, ids(1), state=state, dry_run=True)
    allowed = await client.sync.segment(
        segment, ids(1), state=state, dry_run=True, allow_shrink=True
    )

    assert "would be refused: the source has 1 id, and the last one had 3" in shrunk.summary()
    assert allowed.refusal is None


async def test_full_sends_all_and_removes_who_is_gone(
    client: AppcuesClient, sandbox: Sandbox, segment: str, state: Path
) -> None:
    await client.sync.segment(segment, ids(1, 2, 3), state=state)
    sandbox.seed(segments={segment: ()})

    report = await client.sync.segment(segment, ids(1, 2), state=state, full=True)

    assert {"u1", "u2"} <= members(sandbox, segment)
    assert (report.changed, report.removed) == (2, 1)


async def test_an_option_that_there_is_not_is_refused(
    client: AppcuesClient, segment: str, state: Path
) -> None:
    with pytest.raises(TypeError, match=r"segment\(\) .*'concurency'; did you mean 'concurrency'"):
        await client.sync.segment(segment, ids(1), state=state, concurency=2)  # type: ignore[call-arg]


async def test_a_state_of_another_segment_is_refused(
    client: AppcuesClient, segment: str, state: Path
) -> None:
    await client.sync.segment(segment, ids(1), state=state)

    with pytest.raises(InvalidInput, match="is of segment -pros of account"):
        await client.sync.segment("-others", ids(1), state=state)
