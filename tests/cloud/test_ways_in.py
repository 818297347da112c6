"""URLs are taken wherever files are: single uploads, syncs and commands."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from appcues_async import AppcuesClient, InvalidInput
from appcues_async.customerio import CustomerIOClient
from appcues_async.sandbox import Sandbox
from tests.cli.conftest import Command, account, command  # noqa: F401 - fixtures
from tests.cloud.conftest import ShakyStore

USERS = b"user_id,plan\n007,pro\n008,free\n"
URL = "shaky:///users.csv"


async def test_one_upload_takes_an_object(
    sandbox: Sandbox, client: AppcuesClient, store: ShakyStore
) -> None:
    store.pipe("/users.csv", USERS)
    await (await client.imports.profiles(URL))
    assert set(sandbox.profiles) == {"007", "008"}


async def test_one_upload_of_ids_takes_an_object(
    sandbox: Sandbox, client: AppcuesClient, store: ShakyStore
) -> None:
    store.pipe("/ids.csv", b"007\n008\n")
    segment = await client.segments.create("Pros")
    await (await client.segments.add_user_ids(segment.id, "shaky:///ids.csv"))
    await (await client.segments.remove_user_ids(segment.id, "shaky:///ids.csv"))
    assert [job.name for job in sandbox.jobs.values()]
    assert not sandbox.segments[segment.id].user_ids


@pytest.mark.parametrize(
    ("name", "size", "words"),
    [
        (
            "/users.csv",
            20_000_001,
            "has 20,000,001 bytes, and one upload takes 20,000,000 of a URL",
        ),
        (
            "/day/1.csv",
            1,
            "shaky:///day/ is 2 objects, and one upload takes one; client.bulk takes",
        ),
    ],
)
async def test_what_is_too_much_for_one_upload_is_refused_unread(
    client: AppcuesClient, store: ShakyStore, name: str, size: int, words: str
) -> None:
    store.pipe("/day/2.csv", USERS)
    store.pipe(name, bytes(size))
    with pytest.raises(InvalidInput) as caught:
        await client.imports.profiles(URL if name == "/users.csv" else "shaky:///day/")
    assert words in str(caught.value)
    assert not ShakyStore.opened


async def test_a_bad_row_of_an_object_is_refused_by_its_name(
    client: AppcuesClient, store: ShakyStore
) -> None:
    store.pipe("/users.csv", USERS + b",free\n")
    with pytest.raises(InvalidInput, match=r"shaky:///users\.csv: row 3 \(line 4\): "):
        await client.imports.profiles(URL)


async def test_a_sync_sends_what_changed_in_a_store(
    sandbox: Sandbox, client: AppcuesClient, store: ShakyStore, tmp_path: Path
) -> None:
    store.pipe("/day/1.csv", USERS)
    store.pipe("/day/2.csv.gz", gzip.compress(b"user_id,plan\n009,pro\n"))
    state = tmp_path / "users.db"
    first = await client.sync.profiles("shaky:///day/", state=state)
    store.pipe("/day/1.csv", USERS.replace(b"pro", b"new"))
    second = await client.sync.profiles("shaky:///day/", state=state)
    assert (first.counts.added, second.counts.changed) == (3, 1)
    assert sandbox.profiles["007"] == {"plan": "new"}


async def test_a_segment_is_emptied_by_an_object_without_ids_only_where_that_is_allowed(
    sandbox: Sandbox, client: AppcuesClient, store: ShakyStore, tmp_path: Path
) -> None:
    segment = await client.segments.create("Pros")
    store.pipe("/ids.csv", b"user_id\n007\n")
    state = tmp_path / "pros.db"
    await client.sync.segment(segment.id, "shaky:///ids.csv", state=state)
    store.pipe("/ids.csv", b"user_id\n")
    with pytest.raises(InvalidInput, match="this would remove 1 member,"):
        await client.sync.segment(segment.id, "shaky:///ids.csv", state=state)
    await client.sync.segment(segment.id, "shaky:///ids.csv", state=state, allow_shrink=True)
    assert not sandbox.segments[segment.id].user_ids


def test_commands_take_urls_beside_files(
    command: Command,  # noqa: F811
    account: Sandbox,  # noqa: F811
    store: ShakyStore,
    tmp_path: Path,
) -> None:
    store.pipe("/users.csv", USERS)
    (tmp_path / "more.csv").write_bytes(b"user_id,plan\n009,pro\n")
    ran = command("import", "profiles", URL, tmp_path / "more.csv", "-o", "json")
    assert ran.code == 0, ran.err
    assert set(account.profiles) == {"007", "008", "009"}
    assert [row["source"] for row in ran.json["outcomes"]] == [URL, str(tmp_path / "more.csv")]


def test_a_command_syncs_a_url(
    command: Command,  # noqa: F811
    account: Sandbox,  # noqa: F811
    store: ShakyStore,
    tmp_path: Path,
) -> None:
    store.pipe("/users.csv", USERS)
    ran = command("sync", "profiles", URL, "--state", tmp_path / "users.db")
    assert ran.code == 0, ran.err
    assert set(account.profiles) == {"007", "008"}


@pytest.mark.parametrize("url", ["shaky:///nix.csv", "gs://bucket/users.csv", "foo://bar"])
def test_a_url_that_cannot_be_read_is_a_usage_error(
    command: Command,  # noqa: F811
    account: Sandbox,  # noqa: F811
    url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "gcsfs", None)
    ran = command("import", "profiles", url)
    assert ran.code == 2
    assert url in ran.error["message"]


async def test_customerio_takes_no_url() -> None:
    async with CustomerIOClient("site", "key", base_url="http://127.0.0.1:9") as site:
        with pytest.raises(
            InvalidInput, match=r"ids are 'https://host/ids\.csv', an address; downl"
        ):
            await site.segments.add_customers(1, "https://me:s3cret@host/ids.csv")
