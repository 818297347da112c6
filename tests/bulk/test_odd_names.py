"""Files whose names are no UTF-8, as disks of old systems have them."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from appcues_async import AppcuesClient, InvalidInput
from appcues_async.sandbox import Sandbox


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / os.fsdecode(b"caf\xe9")
    path.mkdir()
    return path


def odd(folder: Path, name: bytes, text: str = "") -> Path:
    path = folder / os.fsdecode(name)
    if text:
        path.write_text(text)
    return path


async def test_a_run_takes_them_for_its_source_journal_and_rejects(
    client: AppcuesClient, sandbox: Sandbox, folder: Path
) -> None:
    source = odd(folder, b"users-\xff.csv", "user_id\n7\nnull\n")
    journal, rejects = odd(folder, b"journal-\xff"), odd(folder, b"rejects-\xff.ndjson")
    first, second = [
        await client.bulk.import_profiles(
            source, journal=journal, rejects=rejects, on_failure="report"
        )
        for _ in range(2)
    ]
    assert (first.accepted, first.rejected) == (second.accepted, second.rejected) == (1, 1)
    # The second run goes by the journal of the first.
    assert [one.path for one in sandbox.requests if one.method == "POST"] == [
        "/v2/accounts/sandbox-account/import/profiles"
    ]
    written = json.loads(rejects.read_text(encoding="utf-8"))
    assert written["source"].endswith(r"caf\xe9/users-\xff.csv")
    assert r"users-\xff.csv" in second.summary()
    # What was rejected is a source again.
    again = await client.bulk.import_profiles(rejects, on_failure="report")
    assert "'null', which programs write" in again.rejects[0].reason


async def test_single_uploads_take_them(
    client: AppcuesClient, sandbox: Sandbox, folder: Path
) -> None:
    await (await client.imports.profiles(odd(folder, b"\xff.csv", "user_id\n7\n")))
    assert list(sandbox.profiles) == ["7"]


async def test_messages_show_them(client: AppcuesClient, folder: Path) -> None:
    source = odd(folder, b"\xff.csv", "user_id\n7\n")
    with pytest.raises(InvalidInput, match=r"\\xff.csv is given twice") as caught:
        await client.bulk.import_profiles([source, source])
    assert str(caught.value).isascii()
