"""Errors say what went wrong, and show no secret, no link and no path."""

from __future__ import annotations

from pathlib import Path

import pytest

from appcues_async import InvalidInput
from appcues_async.mcp.answers import Folder
from appcues_async.sandbox import Answer, Sandbox
from tests.mcp.conftest import Ask

LINK = "https://bucket.s3.amazonaws.com/file?X-Amz-Signature=feedface"


async def test_an_error_has_its_kind_and_status(ask: Ask) -> None:
    error = (await ask("get_flow", flow_id="nope")).error
    assert (error["type"], error["status"], error["delivery"]) == ("NotFound", 404, "refused")


async def test_how_long_to_wait_is_said(ask: Ask, sandbox: Sandbox) -> None:
    sandbox.faults.add(Answer(429, headers={"Retry-After": "3600"}))
    error = (await ask("list_flows")).error
    assert (error["type"], error["retry_after"]) == ("Throttled", 3600)


async def test_a_link_that_a_server_shows_is_not_shown(ask: Ask, sandbox: Sandbox) -> None:
    sandbox.faults.add(Answer(400, body=f'{{"title": "Bad", "detail": "see {LINK}"}}'))
    assert "feedface" not in (await ask("list_flows")).text


async def test_a_job_shows_no_link_to_its_file(ask: Ask, sandbox: Sandbox) -> None:
    started = await ask("export_events", email=["a@b.co"], start_time="2026-01-01")
    job = started.content["token"]
    for answer in (
        await ask("wait_for_job", job=job),
        await ask("get_job", job_id=started.content["id"]),
        await ask("list_jobs"),
    ):
        assert not answer.is_error
        assert "/files/" not in answer.text
        assert "signed" not in answer.text or "//…" in answer.text


@pytest.mark.parametrize(
    "path",
    ["../users.csv", "/etc/passwd", "inner/../../x", ".", "", "outside/x.csv", "a\0b"],
)
def test_no_file_outside_of_the_folder_is_taken(tmp_path: Path, path: str) -> None:
    (tmp_path / "outside").symlink_to("/")
    with pytest.raises(InvalidInput) as caught:
        Folder.at(tmp_path).file(path)
    assert str(tmp_path) not in str(caught.value)


async def test_no_file_outside_of_the_folder_is_read(ask: Ask, sandbox: Sandbox) -> None:
    answer = await ask("import_profiles", path="/etc/passwd", dry_run=False)
    assert (answer.error["type"], sandbox.requests) == ("InvalidInput", [])


async def test_no_file_outside_of_the_folder_is_written(ask: Ask, tmp_path: Path) -> None:
    answer = await ask("download_screenshots", resource_id="flow1", path="../pictures.zip")
    assert answer.is_error
    assert not (tmp_path.parent / "pictures.zip").exists()


async def test_a_missing_file_is_named_without_its_folder(ask: Ask, tmp_path: Path) -> None:
    answer = await ask("import_profiles", path="missing.csv", dry_run=False)
    assert "missing.csv" in answer.error["message"]
    assert str(tmp_path) not in answer.text


async def test_what_is_not_expected_shows_nothing_of_itself(
    ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError("sandbox-secret")

    monkeypatch.setattr(Folder, "file", fail)
    answer = await ask("import_profiles", path="users.csv")
    assert (answer.is_error, answer.text) == (True, "Error executing tool import_profiles")


async def test_arguments_of_a_wrong_type_are_refused(ask: Ask, sandbox: Sandbox) -> None:
    assert (await ask("list_user_events", user_id="007", limit=0)).is_error
    assert (await ask("list_experiences", experience_type="mugs")).is_error
    assert sandbox.requests == []


def test_a_folder_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="is no folder"):
        Folder.at(tmp_path / "missing")
