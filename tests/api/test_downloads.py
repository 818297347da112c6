"""Files of exports: fetched where a link is shown, and the link shown nowhere else."""

from __future__ import annotations

import logging
import pickle
import traceback
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from appcues_async import (
    AppcuesClient,
    AppcuesError,
    Forbidden,
    InvalidInput,
    JobFailed,
    JobHandle,
    NoDownload,
    UnexpectedReply,
)
from appcues_async.notices import Notice
from appcues_async.sandbox import Amend, Answer, Sandbox, Truncate
from tests.api.conftest import names
from tests.conftest import AT_ONCE, SOON

SECRET = "X-Amz-Signature=feedface"
"""The part of a link that must not be seen."""


@pytest.fixture
def told() -> list[Notice]:
    return []


@pytest.fixture
async def listening(sandbox: Sandbox, told: list[Notice]) -> AsyncIterator[AppcuesClient]:
    async with AppcuesClient(
        **sandbox.credentials, retry=SOON, polling=AT_ONCE, throttle=None, on_notice=told.append
    ) as opened:
        yield opened


def link(sandbox: Sandbox) -> str:
    return f"{sandbox.url}/bucket/events.json?{SECRET}&q=it's"


def show(sandbox: Sandbox, url: object) -> None:
    """Has every job show a link to its file."""
    event = {
        "name": "Completed",
        "timestamp": None,
        "attributes": {"signed_s3_url": url, "rows": 3},
    }
    sandbox.faults.add(Amend({"events": [event]}), path="/jobs/", times=None)


async def export(client: AppcuesClient) -> JobHandle:
    return await client.exports.events(
        email="a@example.com", format="json", conditions=[], start_time="2026-07-14"
    )


async def test_the_file_of_an_ended_export_is_written_to_disk(
    sandbox: Sandbox, client: AppcuesClient, tmp_path: Path
) -> None:
    show(sandbox, link(sandbox))
    sandbox.faults.add(Answer(200, body=b"{}\n" * 100_000), path="/bucket/")
    handle = await export(client)
    path = await handle.download(tmp_path / "events.json")
    assert path.read_bytes() == b"{}\n" * 100_000
    assert names(tmp_path) == ["events.json"]


async def test_the_link_is_fetched_without_credentials_and_as_it_stands(
    sandbox: Sandbox, client: AppcuesClient, tmp_path: Path
) -> None:
    show(sandbox, link(sandbox))
    sandbox.faults.add(Answer(200, body="file"), path="/bucket/")
    await (await export(client)).download(tmp_path / "events.json")
    request = sandbox.requests[-1]
    assert not request.authorized
    assert (request.path, request.query) == ("/bucket/events.json", f"{SECRET}&q=it's")


async def test_a_resumed_export_is_downloaded_as_well(
    sandbox: Sandbox, client: AppcuesClient, tmp_path: Path
) -> None:
    show(sandbox, link(sandbox))
    sandbox.faults.add(Answer(200, body="file"), path="/bucket/")
    handle = client.jobs.resume((await export(client)).id)
    await handle.download(str(tmp_path / "events.json"))
    assert (tmp_path / "events.json").read_text() == "file"


async def test_a_broken_download_begins_again(
    sandbox: Sandbox, client: AppcuesClient, tmp_path: Path
) -> None:
    show(sandbox, link(sandbox))
    sandbox.faults.add(Truncate(keep=5), path="/bucket/")
    sandbox.faults.add(Answer(200, body="file"), path="/bucket/")
    await (await export(client)).download(tmp_path / "events.json")
    assert (tmp_path / "events.json").read_text() == "file"


async def test_without_a_link_the_error_says_that_the_file_comes_by_e_mail(
    client: AppcuesClient, tmp_path: Path
) -> None:
    with pytest.raises(NoDownload, match="comes by e-mail") as caught:
        await (await export(client)).download(tmp_path / "events.json")
    assert caught.value.job.status == "COMPLETED"
    assert not names(tmp_path)


async def test_a_failed_export_raises(
    sandbox: Sandbox, client: AppcuesClient, tmp_path: Path
) -> None:
    sandbox.fail_next_job("out of ink")
    with pytest.raises(JobFailed, match="out of ink"):
        await (await export(client)).download(tmp_path / "events.json")


async def test_a_job_that_makes_no_file_is_refused(
    sandbox: Sandbox, client: AppcuesClient, tmp_path: Path
) -> None:
    handle = await client.imports.profiles([{"user_id": "007"}])
    with pytest.raises(InvalidInput, match="import/profiles and makes no file"):
        await handle.download(tmp_path / "events.json")
    assert len(sandbox.requests) == 1


@pytest.mark.parametrize(
    "url",
    [
        f"https://10.0.0.1/?{SECRET}",
        f"http://bucket.example.com/events.json?{SECRET}",
        f"ftp://bucket.example.com/events.json?{SECRET}",
        f"file:///etc/passwd?{SECRET}",
        f"https://user:pass@bucket.example.com/?{SECRET}",
        f"https://[bucket/?{SECRET}",
        f"https://bucket.example.com/a b?{SECRET}",
        f"/events.json?{SECRET}",
    ],
)
async def test_a_link_that_is_not_to_https_is_not_followed(
    sandbox: Sandbox, client: AppcuesClient, tmp_path: Path, url: str
) -> None:
    show(sandbox, url)
    with pytest.raises(UnexpectedReply, match="not one to https") as caught:
        await (await export(client)).download(tmp_path / "events.json")
    assert SECRET not in "".join(traceback.format_exception(caught.value))


async def test_a_path_that_cannot_be_written_is_said(
    sandbox: Sandbox, client: AppcuesClient, tmp_path: Path
) -> None:
    show(sandbox, link(sandbox))
    sandbox.faults.add(Answer(200, body="file"), path="/bucket/")
    with pytest.raises(InvalidInput, match="cannot be written"):
        await (await export(client)).download(tmp_path / "no folder" / "events.json")


@pytest.mark.parametrize("fault", [Answer(403), Answer.redirect("https://example.com/?" + SECRET)])
async def test_the_link_is_in_no_error(
    sandbox: Sandbox, client: AppcuesClient, tmp_path: Path, fault: Answer
) -> None:
    show(sandbox, link(sandbox))
    sandbox.faults.add(fault, path="/bucket/", times=None)
    with pytest.raises(AppcuesError) as caught:
        await (await export(client)).download(tmp_path / "events.json")
    assert isinstance(caught.value, Forbidden | UnexpectedReply)
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    assert SECRET not in repr(vars(caught.value))


async def test_the_link_is_in_no_log_and_no_notice(
    sandbox: Sandbox,
    listening: AppcuesClient,
    told: list[Notice],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    show(sandbox, link(sandbox))
    sandbox.faults.add(Answer(200, body="file"), path="/bucket/")
    handle = await export(listening)
    await handle.download(tmp_path / "events.json")
    assert told
    assert not any(SECRET.encode() in pickle.dumps(notice) for notice in told)
    ours = [record for record in caplog.records if record.name.startswith("appcues_async")]
    assert not any(SECRET in record.getMessage() for record in ours)


async def test_the_link_is_in_the_job_and_not_in_its_repr(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    show(sandbox, link(sandbox))
    handle = await export(client)
    job = await handle
    assert job.events[0].attributes["signed_s3_url"] == link(sandbox)
    assert SECRET not in repr(job)
    assert SECRET not in repr(handle)
    assert "rows" in repr(job)


@pytest.mark.parametrize(
    "body",
    [
        '{"download_url":"https://bucket.example.com/?' + SECRET + '"}',
        '["see https://bucket.example.com/?' + SECRET + '"]',
        '{"url":"https:\\/\\/bucket.example.com\\/?' + SECRET + '"}',
        "HTTPS://bucket.example.com/?" + SECRET,
    ],
)
async def test_an_answer_that_cannot_be_read_is_quoted_without_links(
    sandbox: Sandbox, client: AppcuesClient, body: str
) -> None:
    sandbox.faults.add(Answer(200, body=body), times=None)
    with pytest.raises(UnexpectedReply) as caught:
        await client.jobs.get("j1")
    assert "https:" in str(caught.value).lower()
    assert SECRET not in str(caught.value)
    assert SECRET not in repr(vars(caught.value))


async def test_the_reason_of_a_failed_job_is_said_without_links(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    event = {"name": "Failed", "attributes": {"detail": f"no access to {link(sandbox)}"}}
    sandbox.fail_next_job()
    sandbox.faults.add(Amend({"events": [event]}), path="/jobs/", times=None)
    with pytest.raises(JobFailed, match="no access to") as caught:
        await (await export(client))
    assert SECRET not in str(caught.value)
    assert SECRET not in repr(vars(caught.value))
