"""Files are sent, jobs are waited for, and files of exports are fetched."""

from __future__ import annotations

from pathlib import Path

import pytest
from mcp import Client

from appcues_async import AppcuesClient
from appcues_async.mcp import make_server
from appcues_async.sandbox import JobPlan, Sandbox
from tests.mcp.conftest import Ask, ask_with

WHEN = {"start_time": "2026-01-01", "end_time": "2026-02-01"}


def users(tmp_path: Path, text: str = "user_id,plan\n007,pro\n008,free\n") -> str:
    (tmp_path / "users.csv").write_text(text, encoding="utf-8")
    return "users.csv"


async def test_an_import_ends_with_its_jobs(ask: Ask, sandbox: Sandbox, tmp_path: Path) -> None:
    content = (await ask("import_profiles", path=users(tmp_path), dry_run=False)).content
    assert (content["ok"], content["rows"], content["completed"]) == (True, 2, 2)
    assert [job["status"] for job in content["jobs"]] == ["COMPLETED"]
    assert sandbox.profiles == {"007": {"plan": "pro"}, "008": {"plan": "free"}}


async def test_cells_become_numbers_where_that_is_wanted(
    ask: Ask, sandbox: Sandbox, tmp_path: Path
) -> None:
    path = users(tmp_path, "user_id,seats\n007,3\n")
    await ask("import_profiles", path=path, types="infer", dry_run=False)
    assert sandbox.profiles == {"007": {"seats": 3}}


async def test_rejected_rows_are_told_by_name_of_the_file_alone(
    ask: Ask, sandbox: Sandbox, tmp_path: Path
) -> None:
    path = users(tmp_path, "user_id,plan\n007,pro\nnull,free\n")
    answer = await ask("import_profiles", path=path, dry_run=False)
    assert (answer.content["ok"], answer.content["rejected"]) == (False, 1)
    assert answer.content["rejects"][0].startswith("users.csv: row 2")
    assert str(tmp_path) not in answer.text
    stopped = await ask("import_profiles", path=path, on_reject="stop", dry_run=False)
    assert stopped.content["accepted"] == 0


async def test_a_job_that_failed_is_an_answer_and_no_error(
    ask: Ask, sandbox: Sandbox, tmp_path: Path
) -> None:
    sandbox.plan_next_job(JobPlan(status="FAILED"))
    content = (await ask("import_profiles", path=users(tmp_path), dry_run=False)).content
    assert (content["ok"], content["jobs"][0]["status"]) == (False, "FAILED")
    assert content["failures"]
    job = content["jobs"][0]["token"]
    assert (await ask("wait_for_job", job=job)).content["ok"] is False


async def test_a_job_that_still_runs_leaves_a_token_to_take_up(
    ask: Ask, sandbox: Sandbox, tmp_path: Path
) -> None:
    sandbox.plan_next_job(JobPlan(seconds=3600))
    path = users(tmp_path)
    content = (await ask("import_profiles", path=path, timeout_seconds=0.05, dry_run=False)).content
    (token,) = content["still_running"]
    assert content["ok"] is False
    waited = (await ask("wait_for_job", job=token, timeout_seconds=0.05)).content
    assert (waited["ended"], waited["ok"], waited["token"]) == (False, False, token)
    assert (await ask("get_job", job_id=waited["id"])).content["status"] == "IN_PROGRESS"
    sandbox.advance(3600)
    done = (await ask("wait_for_job", job=token)).content
    assert (done["status"], done["ok"]) == ("COMPLETED", True)
    assert [job["id"] for job in (await ask("list_jobs")).content["result"]] == [done["id"]]


async def test_a_segment_is_kept_in_step_with_a_file(
    ask: Ask, sandbox: Sandbox, tmp_path: Path
) -> None:
    made = (await ask("create_segment", name="Pros")).content["id"]
    given = {"segment_id": made, "path": "ids.csv", "state": "pros.db", "dry_run": False}
    (tmp_path / "ids.csv").write_text("007\n008\n", encoding="utf-8")
    assert (await ask("sync_segment", **given)).content["ok"] is True
    (tmp_path / "ids.csv").write_text("008\n009\n", encoding="utf-8")
    content = (await ask("sync_segment", **given)).content
    assert (content["added"], content["removed"], content["unchanged"]) == (1, 1, 1)
    assert sandbox.segments[made].user_ids == {"008", "009"}


async def test_profiles_are_sent_once(ask: Ask, tmp_path: Path) -> None:
    given = {"path": users(tmp_path), "state": "users.db", "dry_run": False}
    sent = [(await ask("sync_profiles", **given)).content["sent"] for _ in range(2)]
    assert sent == [2, 0]


async def test_the_file_of_an_export_is_fetched(ask: Ask, tmp_path: Path) -> None:
    started = await ask("start_analytics_export", spec={"columns": ["name"], **WHEN})
    job = started.content["token"]
    content = (await ask("download_job", job=job, path="answer.ndjson")).content
    assert content["path"] == "answer.ndjson"
    assert (tmp_path / "answer.ndjson").stat().st_size == content["bytes"]


async def test_events_are_exported_by_email(ask: Ask, sandbox: Sandbox) -> None:
    content = (await ask("export_events", email=["a@b.co"], start_time="2026-01-01")).content
    assert content["id"] in sandbox.jobs


async def test_pictures_are_fetched(ask: Ask, sandbox: Sandbox, tmp_path: Path) -> None:
    content = (await ask("download_screenshots", resource_id="flow1", path="pictures.zip")).content
    assert (tmp_path / "pictures.zip").stat().st_size == content["bytes"]


async def test_a_wait_tells_how_far_it_is(
    account: AppcuesClient, sandbox: Sandbox, tmp_path: Path
) -> None:
    told: list[tuple[float, str | None]] = []

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        told.append((progress, message))

    sandbox.plan_next_job(JobPlan(seconds=0.6))
    async with Client(make_server(account, tmp_path)) as client:
        given = {"path": users(tmp_path), "dry_run": False}
        await ask_with(client, "import_profiles", given, progress_callback=hear)
    seconds = [progress for progress, _ in told]
    assert seconds == sorted(set(seconds))
    assert "2 sent, 0 ingested" in (told[-1][1] or "")


@pytest.mark.parametrize("given", [{}, {"user_ids": ["007"], "path": "ids.csv"}])
async def test_ids_come_one_way_or_the_other(ask: Ask, given: dict[str, object]) -> None:
    answer = await ask("add_segment_users", segment_id="s1", **given)
    assert answer.error["type"] == "InvalidInput"
