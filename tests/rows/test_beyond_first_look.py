"""Data that is longer than the first look at it: nothing that the look cuts off is taken for a fault."""

from __future__ import annotations

from pathlib import Path

import pytest

from appcues_async.rows import file_head, sources
from appcues_async.rows.file_head import Format
from appcues_async.wire.request import CSV, NDJSON
from tests.rows.bodies import BOM, USERS_CSV, media_of, refusal_of


@pytest.fixture
def short_look(monkeypatch: pytest.MonkeyPatch) -> int:
    """Looks no further than 64 bytes into what is given."""
    for module in (sources, file_head):
        monkeypatch.setattr(module, "HEAD", 64)
    return 64


@pytest.mark.parametrize("before", [b"", b"\n", BOM, BOM + b"\r\n\n"])
@pytest.mark.parametrize("as_format", [None, "ndjson"])
async def test_a_first_line_that_goes_on_beyond_the_look_is_for_the_api_to_judge(
    short_look: int,
    before: bytes,
    as_format: Format | None,
) -> None:
    line = b'{"user_id": "007", "note": "' + b"x" * short_look + b'"}\n'
    assert await media_of(before + line, as_format=as_format) == NDJSON


@pytest.mark.parametrize("before", [b"", b"\n", BOM])
async def test_so_it_is_in_a_file(short_look: int, before: bytes, tmp_path: Path) -> None:
    path = tmp_path / "users.ndjson"
    path.write_bytes(before + b'{"user_id": "007", "note": "' + b"x" * short_look + b'"}\n')
    assert await media_of(path) == NDJSON


async def test_a_first_line_of_just_the_look_is_still_checked(short_look: int) -> None:
    line = b'{"email": "' + b"x" * (short_look - 13) + b'"}'
    assert len(line) == short_look
    assert "has no user_id" in await refusal_of(line)


async def test_rows_beyond_the_look_are_judged_as_well(short_look: int) -> None:
    message = await refusal_of(b"user_id\n" + b"007\n" * short_look + b"\xff\n")
    assert message.startswith("the data: row 65 (line 66): the row is not UTF-8 at byte 0")


async def test_a_wrong_encoding_within_the_look_is_refused_however_long_it_goes_on(
    short_look: int,
) -> None:
    message = await refusal_of(b"user_id,city\n007,Z\xfcrich\n" + b"008,Rome\n" * short_look)
    assert message == (
        "the data is not UTF-8 at byte 18; save it as UTF-8, or client.bulk reads it with "
        "encoding='cp1252'"
    )


@pytest.mark.parametrize("cut", range(4))
async def test_a_character_that_the_look_cuts_in_two_is_no_wrong_encoding(
    short_look: int, cut: int
) -> None:
    text = b"user_id\n" + b"x" * (short_look - 8 - cut) + "\U0001f600".encode() + b"\n"
    assert await media_of(text) == CSV


async def test_a_character_that_the_end_cuts_in_two_is_a_wrong_encoding() -> None:
    assert "not UTF-8" in await refusal_of(b"user_id\n007\xf0\x9f")


@pytest.mark.parametrize("blank", [b"\n", b" ", b"\xc2\xa0"])
async def test_a_beginning_of_blanks_alone_is_refused(short_look: int, blank: bytes) -> None:
    message = await refusal_of(blank * short_look + USERS_CSV)
    assert message == "the data begins with 64 blank bytes; check that it is the right file"


async def test_a_header_alone_within_the_look_is_no_lack_of_rows(short_look: int) -> None:
    assert await media_of(b"user_id," + b"x" * short_look + b"\n007,1\n") == CSV
