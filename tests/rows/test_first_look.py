"""The first look at a file or at bytes: how they are written, and what is certain to fail."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appcues_async.errors import InvalidInput
from appcues_async.rows import sources
from appcues_async.rows.file_head import Format
from appcues_async.rows.kinds import EVENTS, PROFILES, USER_IDS, Kind
from appcues_async.rows.sources import body_of
from appcues_async.wire.request import CSV, NDJSON, FilePieces
from tests.rows.bodies import BOM, media_of, refusal_of, sent

FORMATS: tuple[Format | None, ...] = (None, "csv", "ndjson")


# --- CSV -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        b"user_id,email\n007,a\n",
        b"email,userId\na,007\n",
        b"user_id\n007",
        b"user_id,email\r\n007,a\r\n",
        b'"user_id","email"\n"007","a"\n',
        b'"user_id"\n"007"\n',
        b" user_id , email \n007,a\n",
        b"\n \r\n\nuser_id,email\n007,a\n",
        b"\n,,\nuser_id,email\n007,a\n",
        b"user_id,email\n\n\n007,a\n",
        BOM + b"user_id,email\n007,a\n",
        BOM + b'"user_id",email\n007,a\n',
        "user_id,città\n007,Zürich\n".encode(),
        b'user_id,"two\nlines"\n007,a\n',
        b"user_id,email,first_name,is_admin\nsome-id-here,harriet@example.com,,,\n",
    ],
)
async def test_csv_is_taken_with_its_header_written_in_any_way(text: bytes) -> None:
    assert await media_of(text) == CSV


@pytest.mark.parametrize(
    ("kind", "header", "message"),
    [
        (
            PROFILES,
            b"email,plan",
            "no user_id or userId; it has: email, plan; OPTIONS id_column='email'",
        ),
        (
            PROFILES,
            b"User_ID,email",
            "no user_id or userId; it has: User_ID, email; OPTIONS id_column='User_ID'",
        ),
        (EVENTS, b"user_id,color", "no name, no timestamp; it has: user_id, color"),
        (
            EVENTS,
            b"name,timestamp",
            "no user_id or userId; it has: name, timestamp",
        ),
        (
            EVENTS,
            b"Kundennr,Event Name,created_at,name",
            "no user_id or userId, no timestamp; it has: Kundennr, Event Name, created_at, name; "
            "OPTIONS id_column='Kundennr' and rename={'created_at': 'timestamp'}",
        ),
    ],
)
async def test_a_header_that_lacks_columns_is_refused_with_those_it_has_and_what_takes_them(
    kind: Kind, header: bytes, message: str
) -> None:
    refusal = await refusal_of(header + b"\na,b\n", kind)
    message = message.replace("OPTIONS", "client.bulk reads it with")
    assert refusal == f"the data: its header has {message}"


@pytest.mark.parametrize("mark", [";", "\t", "|"])
async def test_another_delimiter_is_refused_with_the_option_for_it(mark: str) -> None:
    refusal = await refusal_of(f"user_id{mark}email\n1{mark}a@b.c\n".encode())
    assert refusal == (
        f"the data has {mark!r} between its cells, not ','; client.bulk reads it with "
        f"delimiter={mark!r}"
    )


async def test_a_csv_without_a_header_is_not_spread_over_the_message() -> None:
    row = b"007,harriet@example.com," + b"x" * 10_000
    assert len(await refusal_of(row)) < 300


@pytest.mark.parametrize("text", [b"user_id,email", b"user_id,email\n", b"\nuser_id\r\n\r\n \n,\n"])
async def test_a_header_and_no_rows_is_refused(text: bytes) -> None:
    assert (
        await refusal_of(text) == "the data has a header and no rows; there are no profiles to send"
    )


async def test_a_header_that_lacks_columns_is_told_so_even_without_rows() -> None:
    assert "no user_id or userId" in await refusal_of(b"email\n")


async def test_a_long_cell_in_the_first_row_is_for_the_api_to_judge() -> None:
    assert await media_of(b'user_id,note\n007,"' + b"x" * 200_000 + b'"\n') == CSV


async def test_a_header_too_long_to_be_one_is_refused() -> None:
    message = await refusal_of(b'"user_id,email\n' + b"x" * 200_000)
    assert message.startswith("the data: its first line is not CSV (field larger than")
    assert message.endswith("check its quotes and line breaks")


# --- NDJSON --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        b'{"user_id": "007"}\n',
        b'{"user_id": "007"}\r\n{"user_id": "008"}\r\n',
        b'{"userId": "007"}',
        b'\n  \n  {"user_id": "007"}\n',
        BOM + b'{"user_id": "007"}\n',
        '{"user_id": "007", "città": "Zürich"}\n'.encode(),
    ],
)
async def test_ndjson_is_known_by_its_first_character(text: bytes) -> None:
    assert await media_of(text) == NDJSON


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        (b"{user_id: 007}\n", "not a JSON value"),
        (b'{\n  "user_id": "007"\n}\n', "write each row on one line"),
        (b'{"user_id": "007"},\n', "not a JSON value"),
        (b'{"user_id": "007"} {"user_id": "008"}\n', "not a JSON value"),
        (b'{"user_id": NaN}\n', "not a JSON value"),
        (b'{"user_id": "\xff"}\n', "not a JSON value"),
        (b'{"a":' * 50_000, "not a JSON value"),
        (b'{"email": "a"}\n', "its first line has no user_id or userId; it has: email"),
        (b"{}\n", "its first line has no user_id or userId; it has: "),
    ],
)
async def test_a_first_line_that_is_no_row_is_refused(text: bytes, rule: str) -> None:
    message = await refusal_of(text)
    assert message.startswith("the data: its first line ")
    assert rule in message


@pytest.mark.parametrize("text", [b"user_id\n007\n", b'"007"\n', b"7\n", b"null\n"])
async def test_what_is_no_object_is_refused_as_ndjson(text: bytes) -> None:
    message = await refusal_of(text, as_format="ndjson")
    assert message.startswith("the data: its first line is no")


async def test_an_event_needs_all_three_columns_in_ndjson_too() -> None:
    message = await refusal_of(b'{"user_id": "007", "name": "Paid"}\n', EVENTS)
    assert message == "the data: its first line has no timestamp; it has: name, user_id"


@pytest.mark.parametrize("text", [b'[{"user_id": "007"}]', b'\n [\n{"user_id": "007"}\n]', b"[]"])
@pytest.mark.parametrize("kind", [PROFILES, EVENTS, USER_IDS])
@pytest.mark.parametrize("as_format", FORMATS)
async def test_a_json_array_is_refused(
    text: bytes,
    kind: Kind,
    as_format: Format | None,
) -> None:
    assert await refusal_of(text, kind, as_format) == (
        "the data holds a JSON array; the API takes NDJSON, one JSON value a line without commas"
    )


# --- user ids ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "media"),
    [
        (b"007\n008\n", CSV),
        (b"user_id\n007\n", CSV),
        (b"userId\r\n007\r\n", CSV),
        (b'"user_id"\n"007"\n', CSV),
        (b'"userId"\n007\n', CSV),
        (b'"a""b"\n', CSV),
        (b"true\n", CSV),
        (b"{3F2504E0-4F89-11D3-9A0C-0305E82C3301}\n", CSV),
        (b'"007"\n"008"\n', NDJSON),
        (b'\n"007"\r\n', NDJSON),
        (b'"a\\"b"\n', NDJSON),
        (BOM + b'"007"\n', NDJSON),
    ],
)
async def test_ids_are_csv_unless_they_are_json_in_double_quotes(text: bytes, media: str) -> None:
    assert await media_of(text, USER_IDS) == media


@pytest.mark.parametrize(
    ("text", "as_format", "rule"),
    [
        (b"007,008\n", None, "has 2 columns; a CSV of user ids has one"),
        (b"user_id,email\n007,a\n", None, "with user_id or userId or no header"),
        (b"user_id\n", None, "has a header and no rows; there are no user ids to send"),
        (b"\xc2\xa0\n", None, "is empty; there are no user ids to send"),
        (b'""\n', "csv", "is empty; there are no user ids to send"),
        (b"7.0\n", "ndjson", "is b'7.0'; in NDJSON each user id is in double quotes"),
        (b"abc\n", "ndjson", "not a JSON value"),
        (b'{"user_id": "007"}\n', None, "in NDJSON each user id is in double quotes"),
    ],
)
async def test_what_is_no_list_of_ids_is_refused(
    text: bytes,
    as_format: Format | None,
    rule: str,
) -> None:
    assert rule in await refusal_of(text, USER_IDS, as_format)


# --- what no format can be -----------------------------------------------------------------------


@pytest.mark.parametrize("kind", [PROFILES, EVENTS, USER_IDS])
@pytest.mark.parametrize("as_format", FORMATS)
@pytest.mark.parametrize("text", [b"", b"\n", b" \t\r\n\n", BOM, BOM + b"\n"])
async def test_nothing_but_blanks_is_refused(
    text: bytes,
    kind: Kind,
    as_format: Format | None,
) -> None:
    assert await refusal_of(text, kind, as_format) == (
        f"the data is empty; there are no {kind.name} to send"
    )


@pytest.mark.parametrize(
    ("head", "what"),
    [(b"\x1f\x8b\x08", "gzip"), (b"\x28\xb5\x2f\xfd", "zstd"), (b"PK\x03\x04", "zip")],
)
async def test_what_is_compressed_is_refused_by_its_kind(
    tmp_path: Path, head: bytes, what: str
) -> None:
    path = tmp_path / "users.csv"
    path.write_bytes(head + b"\0" * 100)
    assert await refusal_of(path) == (
        f"{path} is {what}-compressed, which the API does not take; unpack it"
    )


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("kind", [PROFILES, USER_IDS])
async def test_text_in_utf_16_is_refused(encoding: str, kind: Kind) -> None:
    message = await refusal_of("user_id\n007\n".encode(encoding), kind)
    assert message == (
        f"the data is {encoding.upper()}, not UTF-8; save it as UTF-8, or client.bulk reads it with "
        f"encoding={encoding!r}"
    )


async def test_what_is_no_text_is_refused() -> None:
    message = await refusal_of(b"\x00\x01\x02\x03" * 10 + b"user_id" * 40)
    assert message == "the data holds zero bytes, as binary files do; give CSV or NDJSON"


async def test_text_in_another_encoding_is_refused_with_the_place() -> None:
    message = await refusal_of("user_id,city\n007,Zürich\n".encode("latin-1"))
    assert message == (
        "the data is not UTF-8 at byte 18; save it as UTF-8, or client.bulk reads it with "
        "encoding='cp1252'"
    )


# --- the rows ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        (b"user_id,plan\n1,pro\nnull,pro\n", "row 2 (line 3): user_id is 'null'"),
        (b'user_id,plan\n1,5" pipe\n', "row 1 (line 2): the row is no CSV: it has a quote"),
        (b"user_id,plan,\n1,pro,x\n", "row 1 (line 2): the row has 'x' in column 3"),
        (b"\nuser_id,plan\n1,\\N\n", "row 1 (line 3): plan is \\N"),
        (b'{"user_id":"1"}\n\n{"user_id":"2","x":NaN}\n', "row 2 (line 3): the line holds NaN"),
        (b",user_id,plan\n0,1,pro\n", "a column without a name, the 1. of 3"),
    ],
)
async def test_a_row_is_refused_as_in_bulk(data: bytes, rule: str, tmp_path: Path) -> None:
    path = tmp_path / "users"
    path.write_bytes(data)
    for source in (data, path):
        assert rule in await refusal_of(source)


async def test_empty_columns_without_a_name_at_the_end_are_left_out_of_the_header(
    tmp_path: Path,
) -> None:
    data = BOM + b"user_id,plan,,\r\n1,pro,,\r\n"
    assert sent(await body_of(data, PROFILES)) == b"user_id,plan\n1,pro,,\r\n"
    (tmp_path / "users.csv").write_bytes(data)
    body = await body_of(tmp_path / "users.csv", PROFILES)
    assert isinstance(body, FilePieces)
    assert (body.head, list(body.pieces)) == (b"user_id,plan\n", [(19, 9)])


# --- anything at all -----------------------------------------------------------------------------

FRAGMENTS = st.sampled_from(
    [
        *(b"user_id", b"userId", b"name,timestamp", b'{"user_id":"7"}', b'"7"', b"7", "é".encode()),
        *(b",", b'"', b"\n", b"\r", b" ", b"{", b"}", b"[", b":", b"\\", b"\x00", b"\xff"),
        *(BOM, b"\xc2\xa0", b"\xed\xa0\x80", b"\x1f\x8b", b"\xff\xfe", b"\xf0\x9f"),
    ]
)
ANY_BYTES = st.binary(max_size=200) | st.lists(FRAGMENTS, max_size=20).map(b"".join)


@given(ANY_BYTES, st.sampled_from([PROFILES, EVENTS, USER_IDS]), st.sampled_from(FORMATS))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.parametrize("look", [8, 1 << 20])
def test_no_bytes_make_the_look_at_them_fail_otherwise(
    monkeypatch: pytest.MonkeyPatch,
    look: int,
    data: bytes,
    kind: Kind,
    as_format: Format | None,
) -> None:
    monkeypatch.setattr(sources, "HEAD", look)
    try:
        body = asyncio.run(body_of(data, kind, format=as_format))
    except InvalidInput:
        return
    # Ids that are numbers are sent as text in NDJSON, and each line ends.
    quotes = 2 * len(data.splitlines()) + 1 if kind is USER_IDS else 0
    assert body.size <= len(data.removeprefix(BOM)) + quotes
    assert as_format is None or body.content_type == {"csv": CSV, "ndjson": NDJSON}[as_format]
