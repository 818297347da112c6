"""Screenshots: a ZIP that is on disk when it is whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from appcues_async import AppcuesClient, NotFound
from appcues_async.sandbox import Answer, Sandbox
from tests.api.conftest import asked, names

ZIP = b"PK\x03\x04" + bytes(range(256)) * 4096


async def test_the_file_is_written_to_disk(
    sandbox: Sandbox, client: AppcuesClient, tmp_path: Path
) -> None:
    sandbox.faults.add(Answer(200, body=ZIP, headers={"Content-Type": "application/zip"}))
    path = await client.screenshots.download("flow/1", tmp_path / "flow.zip")
    assert path.read_bytes() == ZIP
    assert names(tmp_path) == ["flow.zip"]
    assert asked(sandbox) == ["GET screenshots/flow%2F1"]
    assert sandbox.requests[0].authorized


async def test_what_is_not_found_leaves_an_older_file_as_it_was(
    sandbox: Sandbox, client: AppcuesClient, tmp_path: Path
) -> None:
    path = tmp_path / "flow.zip"
    path.write_bytes(b"older")
    sandbox.faults.add(Answer(404))
    with pytest.raises(NotFound):
        await client.screenshots.download("nothing", path)
    assert path.read_bytes() == b"older"
    assert names(tmp_path) == ["flow.zip"]
