"""Files over every limit, from disk to the end of their jobs, in memory that does not grow."""

from __future__ import annotations

import gzip
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from appcues_async import AppcuesClient
from appcues_async.sandbox import Sandbox
from tests.conftest import AT_ONCE

LINES: dict[str, tuple[bytes, Callable[[int], bytes]]] = {
    "csv": (
        b"user_id,plan,note\n",
        lambda number: (
            b'%09d,pro,"likes ""long"" walks,\nand %s"\n' % (number, b"short forms " * 12)
        ),
    ),
    "ndjson": (
        b"",
        lambda number: (
            b'{"user_id":"%09d","plan":"pro","note":"%s"}\n' % (number, b"walks\\n" * 24)
        ),
    ),
}

# Prints the peak of a process that sends a file: MiB.
PEAK = """
import asyncio, resource, sys
from pathlib import Path
from appcues_async import AppcuesClient
async def main(url, key, secret, account, path, check):
    async with AppcuesClient(account, key, secret, base_url=url) as client:
        report = await client.bulk.import_profiles(Path(path), wait=False, check=check)
        assert report.ok, report.summary()
        assert report.chunks / report.rows < 10 / 1_000_000
asyncio.run(main(*sys.argv[1:]))
# What the kernel says of a process at its end counts the one that began it as well.
status = Path("/proc/self/status").read_text()
print(int(status.split("VmHWM:")[1].split()[0]) // 1024)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024)
"""


def written(path: Path, form: str, size: int) -> int:
    """Writes a file of about so many bytes; returns its rows."""
    head, line = LINES[form]
    rows = size // len(line(0))
    with path.open("wb") as file:
        file.write(head)
        for first in range(0, rows, 10_000):
            file.write(b"".join(map(line, range(first, min(rows, first + 10_000)))))
    return rows


@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.parametrize("chunk_bytes", [20_000_000, None, 200_000_000])
@pytest.mark.parametrize("form", LINES)
async def test_a_file_over_the_limits_arrives_in_requests_within_them(
    form: str, chunk_bytes: int | None, tmp_path: Path
) -> None:
    path = tmp_path / f"users.{form}"
    rows = written(path, form, 420_000_000)
    async with (
        Sandbox(keep_rows=False, rate_limit=None) as sandbox,
        AppcuesClient(**sandbox.credentials, polling=AT_ONCE) as client,
    ):
        report = await client.bulk.import_profiles(path, chunk_bytes=chunk_bytes)
        report.raise_for_failures()
        assert report.rows == report.completed == rows
        taken = [job.ingested for job in sandbox.jobs.values()]
        assert sum(taken) == rows
        assert len(taken) == report.chunks
        assert report.chunks <= 420 * 1_000_000 // (chunk_bytes or 20_000_000) * 1.15 + 1
        assert max(job.bytes for job in sandbox.jobs.values()) <= (chunk_bytes or 200_000_000)
        assert max(request.body_bytes for request in sandbox.requests) < 200_001_000


@pytest.mark.long
@pytest.mark.timeout(300)
async def test_a_compressed_file_over_the_limits_arrives(tmp_path: Path) -> None:
    plain, path = tmp_path / "users.csv", tmp_path / "users.csv.gz"
    rows = written(plain, "csv", 250_000_000)
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(plain.read_bytes())
    async with (
        Sandbox(keep_rows=False, rate_limit=None) as sandbox,
        AppcuesClient(**sandbox.credentials, polling=AT_ONCE) as client,
    ):
        report = await client.bulk.import_profiles(path)
        report.raise_for_failures()
        assert report.completed == sum(job.ingested for job in sandbox.jobs.values()) == rows


@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.parametrize("check", ["full", "none"])
@pytest.mark.parametrize("form", LINES)
def test_memory_stays_flat_whatever_the_size(form: str, check: str, tmp_path: Path) -> None:
    path = tmp_path / f"users.{form}"
    written(path, form, 600_000_000)
    with Sandbox(keep_rows=False, rate_limit=None) as sandbox:
        given = sandbox.credentials
        arguments = [given["base_url"], given["api_key"], given["api_secret"], given["account_id"]]
        done = subprocess.run(
            [sys.executable, "-c", PEAK, *arguments, str(path), check],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
    sending, cutting = map(int, done.stdout.split())
    assert sending < 150
    assert cutting < 150
