"""One file under two names is refused: its events would be recorded twice."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from appcues_async import AppcuesClient, InvalidInput
from appcues_async.sandbox import Sandbox

EVENT = '{"user_id":"1","name":"Paid","timestamp":"2026-01-01T00:00:00Z"}\n'


@pytest.fixture
def day(tmp_path: Path) -> Path:
    path = tmp_path / "day.ndjson"
    path.write_text(EVENT)
    return path


@pytest.mark.parametrize("way", ["path", "spelling", "symlink", "hard link"])
@pytest.mark.parametrize("journal", [False, True])
async def test_a_file_that_comes_twice_is_refused_with_both_names(
    sandbox: Sandbox, client: AppcuesClient, day: Path, way: str, journal: bool
) -> None:
    other = day.with_name("other.ndjson")
    match way:
        case "symlink":
            other.symlink_to(day)
        case "hard link":
            os.link(day, other)
        case "spelling":
            other = day.parent / "." / ".." / day.parent.name / day.name
        case _:
            other = day
    kept = day.with_name("sync.db") if journal else None
    with pytest.raises(InvalidInput) as caught:
        await client.bulk.import_events([day, other], journal=kept)
    assert str(day) in str(caught.value)
    assert str(other.absolute()) in str(caught.value)
    assert not sandbox.requests


async def test_two_files_of_the_same_content_are_two(
    sandbox: Sandbox, client: AppcuesClient, day: Path
) -> None:
    other = day.with_name("other.ndjson")
    other.write_text(EVENT)
    assert (await client.bulk.import_events([day, other])).accepted == 2
