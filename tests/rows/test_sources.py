"""A file, or the bytes of one, becomes the body of one upload, or is refused before anything is sent."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from appcues_async.rows import sources
from appcues_async.rows.kinds import PROFILES, USER_IDS
from appcues_async.rows.sources import body_of
from appcues_async.wire.request import CSV, NDJSON, FileRange, stamp_of
from tests.rows.bodies import (
    BOM,
    USERS_CSV,
    USERS_NDJSON,
    media_of,
    refusal_of,
    sent,
)

# --- files ---------------------------------------------------------------------------------------


async def test_a_file_goes_out_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "users.csv"
    path.write_bytes(USERS_CSV)
    body = await body_of(path, PROFILES)
    assert body == FileRange(path, 0, len(USERS_CSV), CSV, stamp_of(path))


async def test_a_path_may_be_text(tmp_path: Path) -> None:
    path = tmp_path / "users.csv"
    path.write_bytes(USERS_CSV)
    assert await body_of(str(path), PROFILES) == await body_of(path, PROFILES)


async def test_a_path_may_be_of_another_kind(tmp_path: Path) -> None:
    class Elsewhere:
        def __fspath__(self) -> str:
            return str(tmp_path / "users.csv")

    (tmp_path / "users.csv").write_bytes(USERS_CSV)
    assert await media_of(Elsewhere()) == CSV


async def test_a_relative_path_means_the_folder_of_the_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "users.csv").write_bytes(USERS_CSV)
    monkeypatch.chdir(tmp_path)
    body = await body_of("users.csv", PROFILES)
    assert isinstance(body, FileRange)
    assert body.path == tmp_path / "users.csv"


async def test_a_byte_order_mark_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "users.csv"
    path.write_bytes(BOM + USERS_CSV)
    body = await body_of(path, PROFILES)
    assert isinstance(body, FileRange)
    assert (body.start, body.size) == (3, len(USERS_CSV))


@pytest.mark.parametrize(
    ("name", "content", "media"),
    [
        ("users.csv", USERS_CSV, CSV),
        ("USERS.CSV", USERS_CSV, CSV),
        ("users.ndjson", USERS_NDJSON, NDJSON),
        ("users.jsonl", USERS_NDJSON, NDJSON),
        ("users.ldjson", USERS_NDJSON, NDJSON),
        ("users.json", USERS_NDJSON, NDJSON),
        ("users.txt", USERS_NDJSON, NDJSON),
        ("users.txt", USERS_CSV, CSV),
        ("users", USERS_CSV, CSV),
        ("users.csv.ndjson", USERS_NDJSON, NDJSON),
    ],
)
async def test_a_files_name_or_else_its_first_character_says_how_it_is_written(
    tmp_path: Path, name: str, content: bytes, media: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    assert await media_of(path) == media


@pytest.mark.parametrize("name", ["users.ndjson", "USERS.NDJSON", "users.jsonl"])
async def test_a_files_name_is_believed_before_its_content(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(USERS_CSV)
    assert "its first line is not a JSON value" in await refusal_of(path)


async def test_a_format_that_is_given_wins_over_the_name(tmp_path: Path) -> None:
    path = tmp_path / "users.csv"
    path.write_bytes(USERS_NDJSON)
    assert await media_of(path, as_format="ndjson") == NDJSON


@pytest.mark.parametrize("as_format", ["json", "CSV", "", 5])
async def test_another_format_is_refused_and_the_message_names_both(as_format: Any) -> None:
    message = await refusal_of(USERS_CSV, as_format=as_format)
    assert message == f"format is {as_format!r}; it must be 'csv' or 'ndjson'"


async def test_a_link_to_a_file_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "users.csv").write_bytes(USERS_CSV)
    (tmp_path / "latest.csv").symlink_to(tmp_path / "users.csv")
    body = await body_of(tmp_path / "latest.csv", PROFILES)
    assert body.size == len(USERS_CSV)


async def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "none.csv"
    assert await refusal_of(path) == f"there is no file {str(path)!r}"


async def test_a_link_to_nowhere_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "latest.csv"
    path.symlink_to(tmp_path / "none.csv")
    assert await refusal_of(path) == f"there is no file {str(path)!r}"


async def test_an_id_given_as_a_path_is_refused_with_how_to_give_ids() -> None:
    message = await refusal_of("user-7", USER_IDS)
    assert message == "there is no file 'user-7'; ids themselves go in a list"


@pytest.mark.parametrize("text", [USERS_CSV.decode(), USERS_NDJSON.decode() * 1000])
async def test_data_given_as_text_is_refused_with_how_to_give_it(text: str) -> None:
    message = await refusal_of(text)
    assert message.startswith("there is no file '")
    assert message.endswith("; text is a path, and data itself goes in as bytes")
    assert len(message) < 300


@pytest.mark.parametrize("text", ["a\0b", "\ud800"])
async def test_text_that_no_file_can_be_called_is_refused(text: str) -> None:
    assert (await refusal_of(text)).startswith(f"there is no file {text!r}")


async def test_a_folder_is_refused(tmp_path: Path) -> None:
    assert await refusal_of(tmp_path) == f"{tmp_path} is a folder; give a CSV or NDJSON file"


async def test_a_pipe_is_refused_without_opening_it(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    assert await refusal_of(path) == (f"{path} is a pipe or a device; write it to a file first")


async def test_a_device_is_refused() -> None:
    assert "is a pipe or a device" in await refusal_of("/dev/null")


async def test_a_file_that_may_not_be_read_is_refused_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbid(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(sources, "_head_of", forbid)
    path = tmp_path / "users.csv"
    path.write_bytes(USERS_CSV)
    assert await refusal_of(path) == f"{path} cannot be read: Permission denied"


# --- bytes ---------------------------------------------------------------------------------------


class TestBytes:
    @pytest.mark.parametrize("wrap", [bytes, bytearray, memoryview])
    async def test_bytes_of_any_kind_go_out_as_they_are(self, wrap: Callable[[bytes], Any]) -> None:
        assert sent(await body_of(wrap(USERS_CSV), PROFILES)) == USERS_CSV

    async def test_bytes_that_change_later_have_been_copied(self) -> None:
        data = bytearray(USERS_CSV)
        body = await body_of(data, PROFILES)
        data[:] = b"?" * len(data)
        assert sent(body) == USERS_CSV

    async def test_a_view_of_every_other_byte_is_what_it_shows(self) -> None:
        doubled = bytes(byte for byte in USERS_CSV for _ in range(2))
        assert sent(await body_of(memoryview(doubled)[::2], PROFILES)) == USERS_CSV

    async def test_a_byte_order_mark_is_left_out(self) -> None:
        assert sent(await body_of(BOM + USERS_CSV, PROFILES)) == USERS_CSV

    async def test_what_is_wrong_with_them_is_said_of_the_data(self) -> None:
        assert await refusal_of(b"") == "the data is empty; there are no profiles to send"


# --- rows ----------------------------------------------------------------------------------------
