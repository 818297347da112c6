"""Files with other delimiters, encodings and names of columns are read as they are said to be."""

from __future__ import annotations

import gzip
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from appcues_async import AppcuesClient, BulkFailed, InvalidInput
from appcues_async.sandbox import Sandbox

GERMAN = 'Kundennr;E-Mail;Name\n1;a@b.c;"Müller; Jörg, jr"\n2;x@y.z;Größe\n'
OPTIONS: dict[str, Any] = {"delimiter": ";", "encoding": "cp1252", "id_column": "Kundennr"}
SENT = {
    "1": {"email": "a@b.c", "Name": "Müller; Jörg, jr"},
    "2": {"email": "x@y.z", "Name": "Größe"},
}


async def refusal_of(client: AppcuesClient, source: Any, **options: Any) -> str:
    with pytest.raises(InvalidInput) as caught:
        await client.bulk.import_profiles(source, **options)
    return str(caught.value)


@pytest.mark.parametrize("packed", [False, True])
async def test_a_file_of_a_spreadsheet_is_read_as_it_is_said_to_be(
    sandbox: Sandbox, client: AppcuesClient, tmp_path: Path, packed: bool
) -> None:
    data = GERMAN.encode("cp1252")
    path = tmp_path / "kunden.csv"
    path.write_bytes(gzip.compress(data) if packed else data)
    report = await client.bulk.import_profiles(path, rename={"E-Mail": "email"}, **OPTIONS)
    assert report.rows == 2
    assert sandbox.profiles == SENT
    assert sandbox.requests[0].headers["Content-Type"] == "application/ndjson"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "has ';' between its cells, not ','; client.bulk reads it with delimiter=';', "
             "encoding='cp1252' and id_column='Kundennr'"),
        ({"delimiter": ";"}, "has no user_id or userId; it has: Kundennr, E-Mail, Name; client.bulk "
                             "reads it with encoding='cp1252' and id_column='Kundennr'"),
        ({"delimiter": ";", "id_column": "Kundennr"}, "encoding='cp1252'"),
        ({**OPTIONS, "encoding": "ascii"}, "is not ascii, as encoding says"),
        ({**OPTIONS, "delimiter": ","}, "client.bulk reads it with delimiter=';'"),
        ({**OPTIONS, "id_column": "Nr"}, "has no column 'Nr'; it has: Kundennr, E-Mail, Name"),
        ({**OPTIONS, "rename": {"Mail": "email"}}, "has no column 'Mail'"),
        ({**OPTIONS, "rename": {"Name": "user_id"}}, "is sent under it"),
    ],
)  # fmt: skip
async def test_a_file_that_is_not_as_it_is_said_to_be_is_refused_with_what_reads_it(
    sandbox: Sandbox, client: AppcuesClient, options: Any, message: str
) -> None:
    if message == "is sent under it":
        message = "gives one name to two columns|would have the column 'user_id' twice"
        with pytest.raises(InvalidInput, match=message):
            await client.bulk.import_profiles(GERMAN.encode("cp1252"), **options)
    else:
        assert message in await refusal_of(client, GERMAN.encode("cp1252"), **options)
    assert not sandbox.requests


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"delimiter": ";;"}, "delimiter is ';;'; it must be the one character between cells"),
        ({"delimiter": "a"}, "delimiter is 'a'"),
        ({"delimiter": '"'}, "delimiter is '\"'"),
        ({"delimiter": 5}, "delimiter is 5"),
        ({"encoding": "cp9999"}, "encoding is 'cp9999', which Python does not know"),
        ({"encoding": "hex"}, "encoding is 'hex'"),
        ({"encoding": 5}, "encoding is 5"),
        ({"id_column": ""}, "id_column is ''"),
        ({"rename": "a=b"}, "rename is 'a=b'; give new names by old ones"),
        ({"rename": {"a": ""}}, "rename has ''"),
        ({"rename": {"a": "c", "b": "c"}}, "gives one name to two columns"),
        ({"id_column": "a", "rename": {"a": "b"}}, "is in rename as well"),
        ({"time_zone": "Europe/Berln"}, "there is no zone of that name"),
        ({"time_zone": 1.5}, "time_zone is 1.5"),
        ({"format": "ndjson", "delimiter": ";"}, "only CSV has a delimiter"),
    ],
)  # fmt: skip
async def test_an_option_that_cannot_be_is_refused_where_it_is_given(
    client: AppcuesClient, options: Any, message: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        client.bulk.import_profiles(b"user_id\n1\n", **options)
    assert message in str(caught.value)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "shift_jis"])
async def test_a_wide_encoding_is_read_and_refused_with_its_name_without_the_option(
    sandbox: Sandbox, client: AppcuesClient, encoding: str
) -> None:
    text = "user_id,city\n" + "".join(f"{number},東京\n" for number in range(300))
    data = text.encode(encoding)
    assert f"encoding={encoding!r}" in await refusal_of(client, data)
    await client.bulk.import_profiles(data, encoding=encoding)
    assert len(sandbox.profiles) == 300
    assert sandbox.profiles["7"] == {"city": "東京"}


async def test_a_few_percent_of_rows_in_another_encoding_refuse_the_file(
    sandbox: Sandbox, client: AppcuesClient, tmp_path: Path
) -> None:
    rows = [f"{n},{'Zürich' if n % 40 == 39 else 'Rome'}\n" for n in range(1_000)]
    path = tmp_path / "users.csv"
    path.write_bytes(("user_id,city\n" + "".join(rows)).encode("cp1252"))
    message = await refusal_of(client, path)
    assert "25 of the 1,002 rows that were looked at" in message
    assert "b'39,Z\\xfcrich'" in message
    assert message.endswith("client.bulk reads it with encoding='cp1252'")
    assert not sandbox.requests
    await client.bulk.import_profiles(path, encoding="cp1252")
    assert sandbox.profiles["39"] == {"city": "Zürich"}


async def test_one_damaged_row_in_a_file_of_utf_8_is_rejected_by_itself(
    client: AppcuesClient,
) -> None:
    rows = [f"{n},Zürich\n".encode() for n in range(10)] + [b"10,Z\xfcrich\n"]
    report = await client.bulk.import_profiles(
        b"user_id,city\n" + b"".join(rows), on_failure="report"
    )
    assert (report.accepted, report.rejected) == (10, 1)
    assert "not UTF-8 at byte 4" in report.rejects[0].reason


async def test_lines_of_json_are_read_under_other_names(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    data = b'{"Nr":"1","at":"x","n":0.12345678901234567890}\n{"Nr":2}\n{"Nr":"3","Nr":"4"}\n{"Nr":"5"\n'
    message = await refusal_of(client, data[:60])
    assert "the first row has no user_id" in message
    assert message.endswith("client.bulk reads it with id_column='Nr'")
    report = await client.bulk.import_profiles(
        data, id_column="Nr", rename={"at": "place"}, on_failure="report"
    )
    assert set(sandbox.profiles) == {"1", "2"}
    assert sandbox.profiles["1"]["place"] == "x"
    assert [one.line for one in report.rejects] == [3, 4]
    assert "Nr twice" in report.rejects[0].reason
    assert b"0.12345678901234567890" in (sandbox.requests[0].body or b"")


async def test_a_table_gives_the_ids_of_its_column(sandbox: Sandbox, client: AppcuesClient) -> None:
    segment = await client.segments.create("Customers")
    data = GERMAN.encode("cp1252")
    with pytest.raises(InvalidInput, match=r"delimiter=';' and id_column='Kundennr'"):
        await client.bulk.add_user_ids(segment.id, data)
    await client.bulk.add_user_ids(segment.id, data, **OPTIONS)
    assert set(sandbox.segments[segment.id].user_ids) == {"1", "2"}


@pytest.mark.parametrize(
    "source",
    [
        pl.DataFrame({"Nr": [1, 2], "E": ["a", "b"]}),
        pl.DataFrame({"Nr": [1, 2], "E": ["a", "b"]}).to_pandas(),
        [{"Nr": 1, "E": "a"}, {"Nr": 2, "E": "b"}],
    ],
)
async def test_frames_and_rows_have_their_names_changed_as_well(
    sandbox: Sandbox, client: AppcuesClient, source: Any
) -> None:
    await client.bulk.import_profiles(source, id_column="Nr", rename={"E": "e"})
    assert sandbox.profiles == {"1": {"e": "a"}, "2": {"e": "b"}}
    segment = await client.segments.create("Customers")
    await client.bulk.add_user_ids(segment.id, source, id_column="Nr")
    assert set(sandbox.segments[segment.id].user_ids) == {"1", "2"}
    for option in ({"delimiter": ";"}, {"encoding": "cp1252"}):
        assert "is for files" in await refusal_of(client, source, **option)


async def test_a_row_that_would_have_one_name_twice_is_rejected(client: AppcuesClient) -> None:
    rows = [{"Nr": "1", "user_id": "2"}, {"Nr": "3"}]
    with pytest.raises(BulkFailed) as caught:
        await client.bulk.import_profiles(rows, id_column="Nr")
    assert (
        "'Nr', which is sent as user_id, and 'user_id' too" in caught.value.report.rejects[0].reason
    )


@pytest.mark.parametrize("zone", ["Europe/Berlin", "+02:00", 120, timedelta(hours=2)])
@pytest.mark.parametrize("form", ["csv", "ndjson"])
async def test_times_of_a_file_without_a_zone_are_taken_in_the_one_that_is_given(
    sandbox: Sandbox, client: AppcuesClient, zone: Any, form: str
) -> None:
    row = {"user_id": "1", "name": "Paid", "timestamp": "2026-07-14 12:00:00"}
    data = f"{','.join(row)}\n{','.join(row.values())}\n"
    if form == "ndjson":
        data = str(row).replace("'", '"') + "\n"
    with pytest.raises(BulkFailed, match="take time_zone="):
        await client.bulk.import_events(data.encode())
    await client.bulk.import_events(data.encode(), time_zone=zone)
    assert [one["timestamp"] for one in sandbox.events] == ["2026-07-14T12:00:00+02:00"]


async def test_rejects_are_taken_again_with_the_options_of_their_file(
    sandbox: Sandbox, client: AppcuesClient, tmp_path: Path
) -> None:
    data = "Kundennr;Ort\n;Zürich\n2;Köln\n".encode("cp1252")
    rejects = tmp_path / "rejects.ndjson"
    report = await client.bulk.import_profiles(
        data, rejects=rejects, on_failure="report", **OPTIONS
    )
    assert report.rejected == 1
    rejects.write_text(rejects.read_text().replace('"Ort"', '"user_id":"1","Ort"'))
    await client.bulk.import_profiles(rejects, **OPTIONS)
    assert sandbox.profiles == {"1": {"Ort": "Zürich"}, "2": {"Ort": "Köln"}}


async def test_a_run_with_other_options_is_another_run_to_a_journal(
    client: AppcuesClient, sandbox: Sandbox, tmp_path: Path
) -> None:
    path, journal = tmp_path / "users.csv", tmp_path / "sync.db"
    path.write_text("user_id,plan,level\n1,pro,3\n")
    await client.bulk.import_profiles(path, journal=journal)
    with pytest.raises(InvalidInput, match="options"):
        await client.bulk.import_profiles(path, journal=journal, rename={"level": "tier"})


@pytest.mark.parametrize(
    ("head", "what"),
    [
        (b"PK\x03\x04\x14\0\6\0\x08\0\0\0!\0b\xee\x9dh^\1\0\0[Content_Types].xml", "an Excel workbook"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 60, "an Excel workbook"),
        (b"PK\x03\x04mimetypeapplication/vnd.oasis.opendocument.spreadsheet", "an OpenDocument file"),
        (b"ARROW1\0\0", "a Feather file"),
        (b"Obj\x01", "an Avro file"),
        (b"SQLite format 3\0", "an SQLite database"),
    ],
)  # fmt: skip
async def test_files_of_other_programs_are_named_and_refused(
    client: AppcuesClient, tmp_path: Path, head: bytes, what: str
) -> None:
    path = tmp_path / "users.csv"
    path.write_bytes(head + b"\0\1\2" * 50)
    message = await refusal_of(client, path)
    assert f"is {what}" in message
    assert "save as CSV" in message
