"""Uploads on the wire: files, limits, and bytes that come in pieces."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator

import aiohttp
import pytest

from appcues_async.sandbox.bodies import FILE_LIMIT, RAW_LIMIT
from tests.sandbox.caller import Caller, Got

ROW = b'{"user_id": "a", "x": 1}\n'


async def multipart(
    api: Caller, body: bytes, *, kind: str = 'multipart/form-data; boundary="b"'
) -> Got:
    return await api("POST", "import/profiles", body, kind=kind)


def part(headers: str, content: str = '{"user_id": "a"}', boundary: str = "b") -> bytes:
    return f"--{boundary}\r\n{headers}\r\n\r\n{content}\r\n".encode()


FILE = 'Content-Disposition: form-data; name="file"; filename="x.ndjson"'


async def test_a_file_is_uploaded_as_a_form(api: Caller) -> None:
    got = await api.file("import/profiles", ROW * 3, name="people.ndjson")
    assert await api.outcome(got) == (3, 0)
    (job,) = api.sandbox.jobs.values()
    assert (job.rows, job.bytes) == (3, len(ROW) * 3)


async def test_a_file_is_uploaded_as_multipart_mixed(api: Caller) -> None:
    headers = 'Content-Disposition: attachment; name="file"; filename="x.ndjson"'
    body = part(headers) + b"--b--\r\n"
    got = await multipart(api, body, kind="multipart/mixed; boundary=b")
    assert await api.outcome(got) == (1, 0)


@pytest.mark.parametrize(
    ("name", "kind", "content"),
    [
        ("x.csv", None, b"user_id,x\na,1\n"),
        ("x.CSV", "application/octet-stream", b"user_id,x\na,1\n"),
        ("x.bin", "text/csv", b"user_id,x\na,1\n"),
        ("x.csv", "application/ndjson", ROW),
        ("x", None, b"\n user_id,x\na,1\n"),
        ("x", None, b"\n " + ROW),
    ],
)
async def test_a_file_is_what_its_type_or_name_or_start_says(
    api: Caller, name: str, kind: str | None, content: bytes
) -> None:
    got = await api.file("import/profiles", content, name=name, kind=kind)
    assert await api.outcome(got) == (1, 0)


async def test_other_parts_of_a_form_are_passed_over(api: Caller) -> None:
    other = part('Content-Disposition: form-data; name="note"', "hello")
    got = await multipart(api, b"preamble\r\n" + other + part(FILE) + other + b"--b--")
    assert await api.outcome(got) == (1, 0)


async def test_a_delimiter_that_is_cut_by_a_read_is_found(api: Caller) -> None:
    head = part(FILE, "")[:-2]
    for shift in range(-8, 3):
        content = b" " * ((1 << 20) - len(head) - len(ROW) + shift) + ROW
        got = await multipart(api, io.BytesIO(head + content + b"\r\n--b--\r\n"))  # type: ignore[arg-type]
        assert await api.outcome(got) == (1, 0)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"--b--\r\n",
        b"--c\r\n",
        part(FILE),
        part('Content-Disposition: form-data; name="upload"') + b"--b--",
        part(FILE) + part(FILE) + b"--b--",
        part(FILE + "\r\nContent-Transfer-Encoding: base64") + b"--b--",
        b"--bee\r\n\r\n\r\n--b--",
        b"--b\r\nContent-Disposition",
        part(FILE, "") + b"--b--",
    ],
)
async def test_a_form_without_one_file_gets_400(api: Caller, body: bytes) -> None:
    assert (await multipart(api, body)).status == 400


async def test_a_form_without_a_boundary_gets_400(api: Caller) -> None:
    assert (await multipart(api, b"", kind="multipart/form-data")).status == 400


async def test_a_body_over_20_million_bytes_gets_413_before_it_is_read(api: Caller) -> None:
    assert RAW_LIMIT == 20_000_000
    got = await api.ndjson("import/profiles", b"", headers={"Content-Length": "20000001"})
    assert (got.status, got.json["title"]) == (413, "Payload Too Large")
    assert api.sandbox.requests[-1].body_bytes == 0


async def test_a_body_of_exactly_20_million_bytes_is_taken(api: Caller) -> None:
    body = io.BytesIO(ROW + b" " * (RAW_LIMIT - len(ROW)))
    got = await api("POST", "import/profiles", body, kind="application/ndjson")
    assert await api.outcome(got) == (1, 0)
    assert api.sandbox.requests[0].body_bytes == RAW_LIMIT


async def test_a_body_of_unknown_length_is_counted_as_it_comes(api: Caller) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(21):
            yield b" " * 1_000_000

    try:
        got = await api("POST", "import/profiles", pieces(), kind="application/ndjson")
    except aiohttp.ClientError:
        pytest.skip("the refusal was lost to a reset, which HTTP allows")
    assert got.status == 413


async def test_a_form_over_200_million_bytes_gets_413_before_it_is_read(api: Caller) -> None:
    assert FILE_LIMIT == 200_000_000
    got = await api(
        "POST",
        "import/profiles",
        b"",
        kind="multipart/form-data; boundary=b",
        headers={"Content-Length": str(FILE_LIMIT + (1 << 20) + 1)},
    )
    assert got.status == 413


async def test_a_body_in_chunks_is_taken(api: Caller) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for byte in ROW:
            yield bytes([byte])

    got = await api("POST", "import/profiles", pieces(), kind="application/ndjson")
    assert await api.outcome(got) == (1, 0)


async def test_a_client_that_asks_first_is_told_to_go_on(api: Caller) -> None:
    got = await api("POST", "import/profiles", ROW, kind="application/ndjson", expect100=True)
    assert await api.outcome(got) == (1, 0)


async def test_many_rows_go_through_a_file_and_a_thread(api: Caller) -> None:
    rows = b"".join(b'{"user_id": "u%d", "x": %d}\n' % (n, n) for n in range(60_000))
    got = await api("POST", "import/profiles", io.BytesIO(rows), kind="application/ndjson")
    assert await api.outcome(got) == (60_000, 0)
    assert api.sandbox.profiles["u59999"] == {"x": 59_999}
