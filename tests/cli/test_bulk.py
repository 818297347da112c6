"""What every command takes that sends rows: sources, options, reports."""

from __future__ import annotations

import csv
import gzip
import io
import json
import sys
from pathlib import Path

import pytest
import zstandard

from appcues_async.cli.options import bytes_of
from appcues_async.errors import InvalidInput
from appcues_async.sandbox import JobPlan, Sandbox
from tests.cli.conftest import Command, posts

CSV = b"user_id,plan\n" + b"".join(b"%04d,pro\n" % number for number in range(1000))
BAD = "user_id,plan\n1,pro\n,free\n3,pro\n"


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """A file of a thousand profiles."""
    path = tmp_path / "many.csv"
    path.write_bytes(CSV)
    return path


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    """A file of three profiles, of which one has no id."""
    path = tmp_path / "bad.csv"
    path.write_text(BAD, encoding="utf-8")
    return path


def pipe(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))


@pytest.mark.parametrize(
    "packed", [bytes, gzip.compress, zstandard.compress], ids=["plain", "gzip", "zstd"]
)
def test_stdin_is_a_file_plain_or_packed(
    command: Command, account: Sandbox, monkeypatch: pytest.MonkeyPatch, packed: object
) -> None:
    assert callable(packed)
    pipe(monkeypatch, packed(CSV))
    assert command("import", "profiles", "-").code == 0
    assert len(account.profiles) == 1000


def test_ids_of_a_segment_come_from_stdin_too(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipe(monkeypatch, b"007\n008\n")
    ran = command("segments", "add-users", "-M1", "-", "--sandbox", "--no-wait", "-o", "json")
    assert (ran.code, ran.json["accepted"]) == (0, 2)


def test_stdin_is_not_read_twice(command: Command, account: Sandbox) -> None:
    ran = command("import", "profiles", "-", "-")
    assert ran.code == 2
    assert "more than once" in ran.error["message"]


def test_a_wrong_option_does_not_pass_for_a_file(command: Command, account: Sandbox) -> None:
    ran = command("import", "profiles", "--sandbx")
    assert ran.code == 2
    assert "did you mean --sandbox?" in ran.error["message"]


def test_a_file_is_cut_into_chunks_under_the_given_size(
    command: Command, account: Sandbox, many: Path
) -> None:
    ran = command("import", "profiles", many, "--chunk-bytes", "2kB", "-o", "json")
    rows = ran.json["outcomes"]
    assert len(rows) == len(posts(account)) >= 5
    assert all(row["bytes"] <= 2_000 for row in rows)
    assert [row["first"] for row in rows[1:]] == [row["last"] + 1 for row in rows[:-1]]


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("20000000", 20_000_000),
        ("20MB", 20_000_000),
        ("20 mb", 20_000_000),
        ("1.5M", 1_500_000),
        ("500kB", 500_000),
        ("16MiB", 1 << 24),
        ("100B", 100),
    ],
)
def test_a_size_has_units(text: str, size: int) -> None:
    assert bytes_of(text) == size


@pytest.mark.parametrize("text", ["", "MB", "20XB", "-1", "1e6", "20 M B", "٣MB"])
def test_a_size_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="such as 500kB, 20MB or 200MB"):
        bytes_of(text)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--check", "fulll"), 'Did you mean "full"?'),
        (("--types", "guess"), '"infer"'),
        (("--on-failure", "go"), '"raise", "report", "stop"'),
        (("--format", "xml"), '"csv", "ndjson"'),
        (("--concurrency", "0"), "at least 1 and at most 64"),
        (("--chunk-bytes", "1GB"), "at most 200,000,000"),
        (("--rejects", "nowhere/rejects.ndjson"), "not in a folder that is there"),
        (("--rejects", "many.csv"), "one of the sources"),
    ],
    ids=" ".join,
)
def test_a_wrong_value_is_named_with_what_is_right(
    command: Command, account: Sandbox, many: Path, words: tuple[str, str], why: str
) -> None:
    ran = command("import", "profiles", many, *words)
    assert (ran.code, ran.out) == (2, "")
    assert why in ran.error["message"]
    assert account.requests == []
    assert many.read_bytes() == CSV


def test_a_rejected_row_does_not_stop_the_others_and_is_exit_code_6(
    command: Command, account: Sandbox, bad: Path
) -> None:
    ran = command("import", "profiles", bad, "--rejects", "rejects.ndjson", "-o", "json")
    assert (ran.code, ran.error["type"]) == (6, "BulkFailed")
    assert ran.error["message"].startswith("1 of 3 rows rejected; the first: ")
    assert set(account.profiles) == {"1", "3"}
    assert ran.json["rejected"] == 1
    assert [reject["line"] for reject in ran.json["rejects"]] == [3]
    assert json.loads(Path("rejects.ndjson").read_text(encoding="utf-8"))["number"] == 2


def test_stop_at_a_rejected_row_sends_nothing(
    command: Command, account: Sandbox, bad: Path
) -> None:
    ran = command("import", "profiles", bad, "--on-failure", "stop")
    assert (ran.code, ran.error["type"]) == (6, "BulkFailed")
    assert account.requests == []


def test_rows_that_the_server_rejects_are_found_on_request(
    command: Command, account: Sandbox, many: Path
) -> None:
    account.plan_next_job(
        JobPlan(status="FAILED", refuses=lambda row: row["user_id"] == "0500", jobs=None)
    )
    ran = command("import", "profiles", many, "--retry-failed", "--rejects", "bad.ndjson")
    assert (ran.code, ran.error["type"]) == (6, "BulkFailed")
    assert "row 501: the server rejects it" in ran.error["message"]
    assert json.loads(Path("bad.ndjson").read_text(encoding="utf-8"))["row"]["user_id"] == "0500"
    assert len(account.profiles) == 999


def test_what_was_accepted_before_the_source_broke_is_told(
    command: Command, account: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipe(monkeypatch, gzip.compress(CSV * 300)[:-9])
    ran = command("import", "profiles", "-", "--chunk-bytes", "500kB", "--concurrency", "1")
    assert ran.code == 2
    accepted = sum(job.rows for job in account.jobs.values())
    assert ran.error["message"].endswith(f"; accepted before that: {accepted:,} rows")
    assert "COMPLETED" in ran.out


def test_check_and_types_reach_the_run(command: Command, account: Sandbox, many: Path) -> None:
    many.write_text("user_id,seats\n007,3\n", encoding="utf-8")
    assert command("import", "profiles", many, "--types", "infer", "--check", "none").code == 0
    assert account.profiles == {"007": {"seats": 3}}


def test_the_table_has_a_line_for_each_chunk_and_the_counts_below(
    command: Command, account: Sandbox, many: Path
) -> None:
    ran = command("import", "profiles", many, "--chunk-bytes", "5kB")
    header, *rows = ran.out.splitlines()
    assert header.split() == [
        "chunk", "source", "rows", "bytes", "seconds", "status", "ingested", "failed", "job"
    ]  # fmt: skip
    assert len(account.jobs) == rows.index("")
    assert rows[-1] == "1,000 accepted, 1,000 completed, 0 failed, 0 rejected, 0 unknown"


def test_csv_has_a_row_for_each_chunk(command: Command, account: Sandbox, many: Path) -> None:
    ran = command("import", "profiles", many, "--chunk-bytes", "5kB", "-o", "csv")
    rows = [*csv.DictReader(io.StringIO(ran.out))]
    assert sorted(row["job.id"] for row in rows) == sorted(account.jobs)


def test_a_chunk_whose_rows_failed_is_an_error(
    command: Command, account: Sandbox, many: Path
) -> None:
    account.plan_next_job(JobPlan(ingestions_failed=3))
    ran = command("import", "profiles", many)
    assert (ran.code, ran.error["type"]) == (6, "RowsFailed")


def test_a_rehearsal_shows_every_chunk_and_sends_none(
    command: Command, account: Sandbox, many: Path
) -> None:
    words = ("import", "profiles", many, "--chunk-bytes", "2kB", "--dry-run")
    rows = command(*words, "-o", "json").json
    assert sum(row["rows"] for row in rows) == 1000
    assert [row["first"] for row in rows[1:]] == [row["last"] + 1 for row in rows[:-1]]
    assert {row["method"] for row in rows} == {"POST"}
    ran = command(*words)
    assert ran.out.count("POST ") == 1
    # Where chunks end is drawn anew each time.
    last, path, *_ = ran.out.splitlines()[-1].split()
    assert (int(last) > 2, path) == (True, str(many))
    assert ran.err.startswith(f"1,000 profiles in {int(last) + 1} chunks of ")
    assert account.requests == []


def test_a_rehearsal_finds_the_rows_that_would_be_rejected(
    command: Command, account: Sandbox, bad: Path
) -> None:
    ran = command("import", "profiles", bad, "--dry-run", "--rejects", "rejects.ndjson")
    assert ran.code == 6
    assert "nothing was sent" in ran.err
    assert Path("rejects.ndjson").exists()
    assert account.requests == []
