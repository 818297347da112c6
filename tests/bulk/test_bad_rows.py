"""Rows that are rejected: their reasons, and the file that takes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import pytest

from appcues_async import (
    AppcuesClient,
    BulkFailed,
    InvalidInput,
)
from appcues_async.sandbox import Sandbox
from tests.bulk.profiles import CSV, rows

BAD_ROWS: dict[str, bytes] = {
    "csv": b"user_id,plan\n1,pro\n,free\n3,pro\n4,pro,more\n5,pro\n",
    "ndjson": b'{"user_id":"1"}\n{"plan":"free"}\n{"user_id":"3"}\n'
    b'{"user_id":"4","a":[1]}\n{"user_id":"5"}\n',
}


@pytest.mark.parametrize("data", BAD_ROWS.values(), ids=BAD_ROWS)
async def test_a_bad_row_does_not_stop_the_others_and_its_reason_is_kept(
    sandbox: Sandbox, client: AppcuesClient, data: bytes, tmp_path: Path
) -> None:
    put_aside = tmp_path / "rejects.ndjson"
    report = await client.bulk.import_profiles(data, rejects=put_aside, on_failure="report")
    assert set(sandbox.profiles) == {"1", "3", "5"}
    assert (report.rows, report.rejected, report.completed, report.ok) == (5, 2, 3, False)
    assert [one.number for one in report.rejects] == [2, 4]
    lines = [json.loads(line) for line in put_aside.read_text().splitlines()]
    assert [line["number"] for line in lines] == [2, 4]
    assert list(lines[0]) == ["source", "number", "line", "reason", "row"]
    with pytest.raises(BulkFailed, match="not all profiles were taken") as raised:
        report.raise_for_failures()
    assert raised.value.report is report


async def test_the_rejects_file_feeds_back_in(
    sandbox: Sandbox, client: AppcuesClient, tmp_path: Path
) -> None:
    put_aside = tmp_path / "rejects.ndjson"
    source = [*rows(3), {"user_id": "null", "plan": "free"}]
    await client.bulk.import_profiles(source, rejects=put_aside, on_failure="report")
    put_aside.write_text(put_aside.read_text().replace('"null"', '"7"'))
    assert (await client.bulk.import_profiles(put_aside, on_failure="report")).ok
    assert sandbox.profiles["7"] == {"plan": "free"}


@pytest.mark.parametrize("source", [[*rows(600), {"plan": "x"}], CSV + b",free\n"])
async def test_stop_at_a_rejected_row_sends_nothing(
    sandbox: Sandbox, client: AppcuesClient, source: Any
) -> None:
    with pytest.raises(BulkFailed, match=r"rejected: the \w+: row (601|1,001)") as raised:
        await client.bulk.import_profiles(source, on_failure="stop", chunk_bytes=1_000)
    assert raised.value.report.rejected == 1
    assert not sandbox.requests


async def test_rejected_rows_do_not_overwrite_a_source(
    sandbox: Sandbox, client: AppcuesClient, tmp_path: Path
) -> None:
    path, link = tmp_path / "users.csv", tmp_path / "link"
    path.write_bytes(CSV + b",pro\n")
    link.symlink_to(path)
    with pytest.raises(InvalidInput, match="is one of the sources; name another file"):
        await client.bulk.import_profiles(path, rejects=link)
    assert path.read_bytes() == CSV + b",pro\n"
    assert not sandbox.requests


async def test_rejected_rows_do_not_take_the_place_of_another_file(
    sandbox: Sandbox, client: AppcuesClient, tmp_path: Path
) -> None:
    path = tmp_path / "precious.txt"
    path.write_text("poems\n")
    with pytest.raises(InvalidInput, match="holds something else than rejected rows"):
        await client.bulk.import_profiles(CSV + b",pro\n", rejects=path)
    assert path.read_text() == "poems\n"
    with pytest.raises(InvalidInput, match="a folder that is there"):
        await client.bulk.import_profiles(CSV, rejects=tmp_path / "none" / "rejects.ndjson")
    assert not sandbox.requests


async def test_rejected_rows_of_an_earlier_run_do_not_stay(
    client: AppcuesClient, tmp_path: Path
) -> None:
    path = tmp_path / "rejects.ndjson"
    await client.bulk.import_profiles(CSV + b",pro\n", rejects=path, on_failure="report")
    assert path.read_text().count("\n") == 1
    await client.bulk.import_profiles(CSV, rejects=path, on_failure="report")
    assert not path.exists()


async def test_one_byte_that_is_no_utf_8_rejects_its_row_and_no_other(
    client: AppcuesClient,
) -> None:
    report = await client.bulk.import_profiles(
        CSV + b"1000,caf\xe9\n1001,pro\n", on_failure="report"
    )
    assert (report.rows, report.accepted) == (1002, 1001)
    assert "not UTF-8 at byte 8" in report.rejects[0].reason
    with pytest.raises(InvalidInput, match="is not UTF-8 at byte"):
        await client.bulk.import_profiles(
            "user_id,café\n1,pro\n".encode("latin-1"), on_failure="report"
        )


@pytest.mark.parametrize("types", [None, "infer"])
async def test_a_cell_may_be_of_any_size(
    sandbox: Sandbox, client: AppcuesClient, types: Literal["infer"] | None
) -> None:
    bio = 'says "no", ' * 20_000
    rows = f'user_id,bio\n1,"{bio.replace(chr(34), chr(34) * 2)}"\n2,{"x" * 200_000}\n,none\n'
    report = await client.bulk.import_profiles(rows.encode(), types=types, on_failure="report")
    assert (report.accepted, report.rejected) == (2, 1)
    assert sandbox.profiles == {"1": {"bio": bio}, "2": {"bio": "x" * 200_000}}


async def test_cells_without_a_name_stay_with_a_rejected_row(client: AppcuesClient) -> None:
    report = await client.bulk.import_profiles(
        b"user_id,plan\n1,pro,large\n2,pro\n", on_failure="report"
    )
    assert [reject.row for reject in report.rejects] == [["1", "pro", "large"]]
