"""Files that downloads write: whole or not there, new under their name, and nobody else's."""

from __future__ import annotations

import asyncio
import gzip
import io
import os
import socket
import stat
import threading
import zipfile
import zlib
from pathlib import Path
from typing import Any, Final

import pytest

from appcues_async import (
    AppcuesClient,
    ConnectionFailed,
    InvalidInput,
    JobHandle,
    OutcomeUnknown,
    RetryPolicy,
    Timeouts,
)
from appcues_async.sandbox import Answer, Fault, Raw, Sandbox
from tests.api.conftest import names
from tests.api.test_downloads import export, link, show

BODY: Final = b"user_id,name\n" + b"007,seen\n" * 20_000
PACKED: Final = gzip.compress(BODY)


def answered(body: bytes, head: str = "") -> Raw:
    """An answer that ends with its connection."""
    return Raw(f"HTTP/1.1 200 OK\r\n{head}\r\n".encode() + body)


async def fetch(
    sandbox: Sandbox, client: AppcuesClient, path: Path, fault: Fault, times: int | None = None
) -> JobHandle:
    show(sandbox, link(sandbox))
    sandbox.faults.add(fault, path="/bucket/", times=times)
    handle = await export(client)
    await handle.download(path)
    return handle


# --- whole or not there --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("encoding", "packed"),
    [
        ("gzip", PACKED),
        ("x-gzip", gzip.compress(BODY[:5000]) + gzip.compress(BODY[5000:]) + b"\0" * 9),
        ("deflate", zlib.compress(BODY)),
        ("Deflate", zlib.compress(BODY, wbits=-15)),
        ("identity", BODY),
    ],
)
async def test_a_file_is_decompressed(
    sandbox: Sandbox, client: AppcuesClient, tmp_path: Path, encoding: str, packed: bytes
) -> None:
    fault = Answer(200, body=packed, headers={"Content-Encoding": encoding})
    await fetch(sandbox, client, tmp_path / "file", fault)
    assert (tmp_path / "file").read_bytes() == BODY


CUT: Final[dict[str, Fault]] = {
    "gzip with a length": Answer(
        200, body=PACKED[: len(PACKED) // 2], headers={"Content-Encoding": "gzip"}
    ),
    "gzip without one": answered(PACKED[:-9], "Content-Encoding: gzip\r\n"),
    "the second member of gzip": Answer(
        200, body=PACKED + PACKED[:50], headers={"Content-Encoding": "gzip"}
    ),
    "deflate": Answer(200, body=zlib.compress(BODY)[:-5], headers={"Content-Encoding": "deflate"}),
    "damaged gzip": Answer(200, body=PACKED[:-8] + bytes(8), headers={"Content-Encoding": "gzip"}),
    "nothing": Answer(200, body=b"\x1f", headers={"Content-Encoding": "gzip"}),
    "not asked for": Answer(200, body=BODY, headers={"Content-Encoding": "br"}),
    "text of unknown length": answered(BODY),
    "a list of unknown length": answered(b'[{"a": [1'),
    "a list whose inner one ends": answered(b'[{"a": [1]'),
    "a ZIP of unknown length": answered(b"PK\3\4" + BODY),
    "a gzip of unknown length": answered(PACKED[:-1]),
}


@pytest.mark.parametrize("what", CUT)
async def test_a_file_that_is_not_whole_is_not_there(
    sandbox: Sandbox, client: AppcuesClient, tmp_path: Path, what: str
) -> None:
    path = tmp_path / "file"
    path.write_text("the last one")
    with pytest.raises(OutcomeUnknown):
        await fetch(sandbox, client.with_options(retry=RetryPolicy(attempts=1)), path, CUT[what])
    assert path.read_text() == "the last one"
    assert names(tmp_path) == ["file"]


def zipped() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        file.writestr("a.png", BODY)
    return packed.getvalue()


@pytest.mark.parametrize("body", [b'[{"a": [1]}]', zipped(), PACKED], ids=["list", "ZIP", "gzip"])
async def test_a_format_that_shows_its_end_needs_no_length(
    sandbox: Sandbox, client: AppcuesClient, tmp_path: Path, body: bytes
) -> None:
    await fetch(sandbox, client, tmp_path / "file", answered(body))
    assert (tmp_path / "file").read_bytes() == body


async def test_what_names_no_end_is_asked_for_once(
    sandbox: Sandbox, client: AppcuesClient, tmp_path: Path
) -> None:
    with pytest.raises(OutcomeUnknown, match="nothing shows whether the file is whole") as caught:
        await fetch(sandbox, client, tmp_path / "file", answered(BODY))
    assert len(caught.value.attempts) == 1


async def test_an_answer_in_memory_that_is_cut_off_is_none(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    fault = Answer(200, body=PACKED[:-20], headers={"Content-Encoding": "gzip"})
    sandbox.faults.add(fault, times=None)
    with pytest.raises(OutcomeUnknown, match="cut off: its gzip has no end"):
        await client.request("GET", "flows", accept="text/csv")


# --- under its name ------------------------------------------------------------------------------


async def test_a_file_is_the_owner_s_alone_to_read(
    sandbox: Sandbox, client: AppcuesClient, tmp_path: Path
) -> None:
    (tmp_path / "file").touch(0o666)
    await fetch(sandbox, client, tmp_path / "file", Answer(200, body=BODY))
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o600


async def test_no_link_beside_a_file_leads_elsewhere(
    sandbox: Sandbox, client: AppcuesClient, tmp_path: Path
) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    for name in ("file", "file.part"):
        (tmp_path / name).symlink_to(victim)
    await fetch(sandbox, client, tmp_path / "file", Answer(200, body=BODY))
    assert victim.read_text() == "precious"
    assert (tmp_path / "file").read_bytes() == BODY


async def test_two_downloads_to_one_path_do_not_mix(
    sandbox: Sandbox, client: AppcuesClient, tmp_path: Path
) -> None:
    show(sandbox, link(sandbox))
    bodies = [letter * 3_000_000 for letter in (b"a", b"b")]
    for body in bodies:
        sandbox.faults.add(Answer(200, body=body), path="/bucket/")
    handles = [await export(client) for _ in bodies]
    async with asyncio.TaskGroup() as group:
        for handle in handles:
            group.create_task(handle.wait())
            group.create_task(download(handle, tmp_path / "file"))
    assert (tmp_path / "file").read_bytes() in bodies
    assert names(tmp_path) == ["file"]


async def download(handle: JobHandle, path: Path) -> None:
    await handle.download(path)


async def test_a_name_may_be_as_long_as_the_disk_allows(
    sandbox: Sandbox, client: AppcuesClient, tmp_path: Path
) -> None:
    await fetch(sandbox, client, tmp_path / ("x" * 255), Answer(200, body=BODY))
    assert names(tmp_path) == ["x" * 255]


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("x" * 256, "too long"),
        ("a\0b", "null"),
        ("folder", "directory"),
        ("nowhere/file", "No such file"),
        ("file/file", "Not a directory"),
    ],
)
async def test_a_path_that_cannot_be_written_is_refused_before_the_wait(
    sandbox: Sandbox, client: AppcuesClient, tmp_path: Path, name: str, why: str
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    sandbox.faults.add(Answer(500), times=None)
    path = tmp_path / name
    for downloading in (
        client.jobs.resume("j1").download(path),
        client.screenshots.download("x", path),
    ):
        with pytest.raises(InvalidInput, match=f"cannot be written: .*{why}"):
            await downloading
    assert not sandbox.requests


# --- what is no file -----------------------------------------------------------------------------


async def test_a_pipe_is_written_to_as_it_is(
    sandbox: Sandbox, client: AppcuesClient, tmp_path: Path
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe, 0o640)
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
    reader.start()
    sandbox.faults.add(CUT["gzip with a length"], path="/bucket/")
    await fetch(sandbox, client, pipe, Answer(200, body=BODY))
    await asyncio.to_thread(reader.join)
    assert read == [BODY]
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert stat.S_IMODE(pipe.stat().st_mode) == 0o640
    assert names(tmp_path) == ["pipe"]


async def test_a_pipe_that_nobody_reads_is_not_waited_for_for_ever(
    sandbox: Sandbox, client: AppcuesClient, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "pipe")
    hasty = client.with_options(timeouts=Timeouts(idle=0.2))
    with pytest.raises(InvalidInput, match=r"nobody reads it within 0\.2 s"):
        await fetch(sandbox, hasty, tmp_path / "pipe", Answer(200, body=BODY))


async def test_a_download_to_a_pipe_can_be_cancelled(
    sandbox: Sandbox, client: AppcuesClient, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await fetch(sandbox, client, tmp_path / "pipe", Answer(200, body=BODY))


async def test_a_device_stays_one(sandbox: Sandbox, client: AppcuesClient, tmp_path: Path) -> None:
    (tmp_path / "out").symlink_to("/dev/null")
    before = os.lstat("/dev/null")
    await fetch(sandbox, client, tmp_path / "out", Answer(200, body=BODY))
    after = os.lstat("/dev/null")
    assert (after.st_ino, after.st_mode) == (before.st_ino, before.st_mode)
    assert (tmp_path / "out").is_symlink()


async def test_a_descriptor_is_written_from_where_it_is(
    sandbox: Sandbox, client: AppcuesClient, tmp_path: Path
) -> None:
    with (tmp_path / "file").open("wb", buffering=0) as file:
        file.write(b"before\n")
        await fetch(sandbox, client, Path(f"/dev/fd/{file.fileno()}"), Answer(200, body=BODY))
        file.write(b"after\n")
    assert (tmp_path / "file").read_bytes() == b"before\n" + BODY + b"after\n"


async def test_a_closed_descriptor_is_refused(client: AppcuesClient) -> None:
    with pytest.raises(InvalidInput, match="Bad file descriptor"):
        await client.jobs.resume("j1").download("/proc/self/fd/987")


# --- where links lead ----------------------------------------------------------------------------


async def test_a_name_that_stands_for_a_private_address_is_not_connected_to(
    sandbox: Sandbox, client: AppcuesClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = socket.getaddrinfo

    def found(host: str, *rest: Any, **named: Any) -> list[Any]:
        return real("10.0.0.1" if host == "files.example.com" else host, *rest, **named)

    monkeypatch.setattr(socket, "getaddrinfo", found)
    show(sandbox, "https://files.example.com/x?X-Amz-Signature=feedface")
    with pytest.raises(ConnectionFailed, match="not public") as caught:
        await (await export(client)).download(tmp_path / "file")
    assert len(caught.value.attempts) == 1
