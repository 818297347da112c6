from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pytest

from appcues_async import AppcuesClient, BulkFailed, InvalidInput
from appcues_async.sandbox import Sandbox, Stall
from tests.conftest import arrived
from tests.sync.conftest import files, uploads, user


async def test_rows_that_are_new_or_differ_are_sent(
    client: AppcuesClient, sandbox: Sandbox, state: Path
) -> None:
    await client.sync.profiles([user(1), user(2), user(3)], state=state)

    report = await client.sync.profiles([user(1), user(2, "free"), user(4)], state=state)

    assert (report.unchanged, report.changed, report.added, report.applied) == (1, 1, 1, 2)
    plans = {name: one["plan"] for name, one in sandbox.profiles.items()}
    assert plans == {"u1": "pro", "u2": "free", "u3": "pro", "u4": "pro"}
    sent = [one.body for one in sandbox.requests if one.method == "POST"][1]
    assert sent is not None
    assert sent.count(b"\n") == 2


async def test_the_order_of_names_makes_no_difference(
    client: AppcuesClient, sandbox: Sandbox, state: Path
) -> None:
    await client.sync.profiles([{"user_id": "u1", "plan": "pro", "seats": 2}], state=state)

    report = await client.sync.profiles([{"seats": 2, "userId": "u1", "plan": "pro"}], state=state)

    assert report.unchanged == 1


async def test_what_differs_in_type_differs(client: AppcuesClient, state: Path) -> None:
    await client.sync.profiles([user(1, seats=2), user(2, seats=True)], state=state)

    report = await client.sync.profiles([user(1, seats="2"), user(2, seats=1)], state=state)

    assert report.changed == 2


async def test_every_source_of_rows_says_the_same(
    client: AppcuesClient, sandbox: Sandbox, state: Path, tmp_path: Path
) -> None:
    rows = [user(1, city="Köln, am Rhein"), user(2, city='"Ulm"\nneu')]
    table = tmp_path / "users.csv"
    table.write_text('user_id,plan,city,none\nu1,pro,"Köln, am Rhein",\nu2,pro,"""Ulm""\nneu",\n')
    lines = tmp_path / "users.ndjson"
    lines.write_bytes(b"".join(msgspec.json.encode(row) + b"\n" for row in rows))
    packed = tmp_path / "users.ndjson.gz"
    packed.write_bytes(gzip.compress(lines.read_bytes()))

    await client.sync.profiles(table, state=state)
    first = dict(sandbox.profiles)
    for source in (rows, lines, packed, lines.read_bytes(), pa.Table.from_pylist(rows)):
        report = await client.sync.profiles(source, state=state)
        assert report.unchanged == 2

    assert uploads(sandbox) == ["profiles"]
    assert first == {"u1": {"plan": "pro", "city": "Köln, am Rhein"}, "u2": first["u2"]}
    assert first["u2"]["city"] == '"Ulm"\nneu'


async def test_inferred_types_are_those_of_the_rows(
    client: AppcuesClient, sandbox: Sandbox, state: Path
) -> None:
    await client.sync.profiles(b"user_id,seats\nu1,2\n", state=state, types="infer")

    report = await client.sync.profiles([{"user_id": "u1", "seats": 2}], state=state)

    assert sandbox.profiles["u1"] == {"seats": 2}
    assert report.unchanged == 1


async def test_of_rows_with_one_id_the_last_is_sent(
    client: AppcuesClient, sandbox: Sandbox, state: Path
) -> None:
    rows = [user(1, "free"), *(user(number) for number in range(2, 700)), user(1, "pro")]

    report = await client.sync.profiles(rows, state=state)

    assert (report.duplicates, report.applied, report.rows) == (1, 699, 700)
    assert {one["plan"] for one in sandbox.profiles.values()} == {"pro"}
    assert (await client.sync.profiles(rows, state=state)).unchanged == 699


async def test_of_csv_rows_with_one_id_the_last_is_sent(
    client: AppcuesClient, sandbox: Sandbox, state: Path
) -> None:
    rows = "".join(f'u{number},"a\n{number}"\n' for number in range(2, 1200))
    source = f"user_id,plan\nu1,free\n{rows}u1,pro\n".encode()

    report = await client.sync.profiles(source, state=state, chunk_bytes=2_000)

    assert report.applied == 1199
    assert sandbox.profiles["u1"] == {"plan": "pro"}
    assert sandbox.profiles["u1199"] == {"plan": "a\n1199"}


async def test_files_with_other_columns_are_sent_as_they_are(
    client: AppcuesClient, sandbox: Sandbox, state: Path, tmp_path: Path
) -> None:
    one, two, three = (tmp_path / name for name in ("1.csv", "2.csv", "3.ndjson"))
    one.write_text("user_id,plan\nu1,pro\nu2,pro\n")
    two.write_text("city,user_id\nUlm,u3\n")
    three.write_text('{"user_id":"u4","seats":2}\n')

    report = await client.sync.profiles([one, two, three], state=state)

    assert report.applied == 4
    assert sandbox.profiles == {
        "u1": {"plan": "pro"},
        "u2": {"plan": "pro"},
        "u3": {"city": "Ulm"},
        "u4": {"seats": 2},
    }
    assert (await client.sync.profiles([one, two, three], state=state)).unchanged == 4


async def test_an_empty_cell_leaves_an_attribute_as_it_is(
    client: AppcuesClient, sandbox: Sandbox, state: Path
) -> None:
    await client.sync.profiles(b"user_id,plan\nu1,pro\n", state=state)

    await client.sync.profiles(b"user_id,plan,city\nu1,,Ulm\n", state=state)

    assert sandbox.profiles["u1"] == {"plan": "pro", "city": "Ulm"}


async def test_nobody_is_deleted_and_the_missing_are_reported(
    client: AppcuesClient, sandbox: Sandbox, state: Path
) -> None:
    await client.sync.profiles([user(1), user(2), user(3)], state=state)

    quiet = await client.sync.profiles([user(2)], state=state)
    loud = await client.sync.profiles([user(2)], state=state, missing="report")

    assert (quiet.missing, quiet.removed) == (0, 0)
    assert (loud.missing, loud.missing_ids, loud.removed) == (2, ["u1", "u3"], 0)
    assert set(sandbox.profiles) == {"u1", "u2", "u3"}
    assert uploads(sandbox) == ["profiles"]


async def test_one_who_was_reported_missing_is_sent_on_coming_back(
    client: AppcuesClient, sandbox: Sandbox, state: Path
) -> None:
    await client.sync.profiles([user(1), user(2)], state=state)
    await client.sync.profiles([user(2)], state=state, missing="report")
    await (await client.users.delete_profile("u1"))  # type: ignore[misc]

    await client.sync.profiles([user(1), user(2)], state=state)

    assert sandbox.profiles["u1"] == {"plan": "pro"}


async def test_full_sends_every_row(client: AppcuesClient, sandbox: Sandbox, state: Path) -> None:
    await client.sync.profiles([user(1), user(2)], state=state)

    report = await client.sync.profiles([user(1), user(2)], state=state, full=True)

    assert (report.changed, report.applied) == (2, 2)
    assert len(uploads(sandbox)) == 2


async def test_the_state_holds_no_value_of_an_attribute(client: AppcuesClient, state: Path) -> None:
    await client.sync.profiles([user(1, secret="hunter2-hunter2")], state=state)

    assert files(state) == ["state.db"]
    content = await asyncio.to_thread(state.read_bytes)
    assert b"u1" in content
    assert b"hunter2" not in content


async def test_a_source_that_fails_half_way_sends_nothing(
    client: AppcuesClient, sandbox: Sandbox, state: Path
) -> None:
    async def cursor() -> AsyncIterator[dict[str, Any]]:
        for number in range(2_000):
            yield user(number)
        raise RuntimeError("the connection was lost")

    with pytest.raises(RuntimeError, match="the connection was lost"):
        await client.sync.profiles(cursor(), state=state)

    assert uploads(sandbox) == []
    assert (await client.sync.profiles([user(1)], state=state)).first


async def test_rejected_rows_are_in_the_report_and_the_file(
    client: AppcuesClient, state: Path, tmp_path: Path
) -> None:
    rejects = tmp_path / "rejects.ndjson"

    report = await client.sync.profiles(
        [user(1), {"plan": "pro"}, user(2)], state=state, rejects=rejects, on_failure="report"
    )

    assert not report.ok
    assert (report.rows, report.rejected, report.applied) == (3, 1, 2)
    assert rejects.read_bytes().count(b"\n") == 1


async def test_a_state_of_a_segment_is_refused(
    client: AppcuesClient, segment: str, state: Path
) -> None:
    await client.sync.segment(segment, ["u1"], state=state)

    with pytest.raises(InvalidInput, match="this run is for profiles"):
        await client.sync.profiles([user(1)], state=state)


async def test_the_second_of_two_syncs_is_told(
    client: AppcuesClient, sandbox: Sandbox, state: Path
) -> None:
    stall = Stall()
    sandbox.faults.add(stall, path="import/profiles")
    first = asyncio.create_task(client.sync.profiles([user(1)], state=state))
    await arrived(sandbox)

    with pytest.raises(InvalidInput, match="in use by another run"):
        await client.sync.profiles([user(2)], state=state)

    stall.hold.release()
    assert (await first).applied == 1


async def test_a_row_that_no_request_holds_is_rejected(client: AppcuesClient, state: Path) -> None:
    with pytest.raises(BulkFailed, match="at most 500 fit"):
        await client.sync.profiles([user(1), user(2, "x" * 600)], state=state, chunk_bytes=500)

    again = await client.sync.profiles([user(1)], state=state)
    assert again.unchanged == 1


async def test_many_chunks_are_applied_one_by_one(
    client: AppcuesClient, sandbox: Sandbox, state: Path
) -> None:
    rows = [user(number) for number in range(500)]

    report = await client.sync.profiles(rows, state=state, chunk_bytes=2_000)

    assert report.requests > 5
    assert report.applied == 500
    assert (await client.sync.profiles(rows, state=state)).unchanged == 500


async def test_a_summary_counts_in_words(client: AppcuesClient, state: Path) -> None:
    one = await client.sync.profiles([user(1)], state=state)
    two = await client.sync.profiles([user(2), user(3)], state=state)

    assert one.summary().splitlines()[1] == "1 row sent in 1 request, 1 applied"
    assert two.summary().splitlines()[1] == "2 rows sent in 1 request, 2 applied"
