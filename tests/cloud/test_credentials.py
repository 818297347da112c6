"""What opens a store is a secret: it is in no name, repr, error, report or journal."""

from __future__ import annotations

import sys
from pathlib import Path
from threading import Event

import pytest

from appcues_async import AppcuesClient, InvalidInput
from appcues_async.bulk.reading.sources import list_objects, parts_of
from appcues_async.rows.kinds import PROFILES
from appcues_async.rows.urls import UrlSource, public_name
from appcues_async.sandbox import Sandbox
from tests.cloud.conftest import ShakyStore

OPTIONS = {"secret": "s3cret"}


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://me:s3cret@host.example/a.csv", "https://host.example/a.csv"),
        ("https://s3cret@host.example:8443/a.csv", "https://host.example:8443/a.csv"),
        ("https://host.example/a.csv?X-Amz-Signature=s3cret", "https://host.example/a.csv"),
        ("https://host.example?token=s3cret#s3cret", "https://host.example"),
        ("HTTPS://me:s3cret@host.example/a@b.csv", "https://host.example/a@b.csv"),
        ("s3://key:s3cret@bucket/a.csv", "s3://bucket/a.csv"),
        ("s3://bucket/who@example.com/what?.csv", "s3://bucket/who@example.com/what?.csv"),
        ("az://bucket/a.csv?sv=1&sig=s3cret", "az://bucket/a.csv"),
        ("abfss://box@account.example/a.csv", "abfss://box@account.example/a.csv"),
        ("sftp://me:s3cret@host.example/a.csv", "sftp://host.example/a.csv"),
        ("ftp://host.example/a.csv;token=1", "ftp://host.example/a.csv;token=1"),
    ],
)
def test_a_name_holds_none(url: str, name: str) -> None:
    assert public_name(url) == name
    assert "s3cret" not in repr(UrlSource(url, OPTIONS)) + str(UrlSource(url))


async def test_nothing_that_a_run_leaves_behind_holds_any(
    sandbox: Sandbox, client: AppcuesClient, store: ShakyStore, tmp_path: Path
) -> None:
    store.pipe("/users.csv", b"user_id,plan\n007,pro\n,free\n")
    run = client.bulk.import_profiles(
        "shaky:///users.csv",
        storage_options=OPTIONS,
        journal=tmp_path / "run.db",
        rejects=tmp_path / "rejects.ndjson",
        on_failure="report",
    )
    report = await run
    (source,) = list_objects(parts_of("shaky:///users.csv", PROFILES, OPTIONS), Event())
    assert ShakyStore.options[-1] == OPTIONS
    assert "s3cret" not in repr((run, report, source, report.rejects, report.outcomes))
    assert not [file for file in files_in(tmp_path) if b"s3cret" in file.read_bytes()]


def files_in(folder: Path) -> list[Path]:
    files = list(folder.iterdir())
    assert files
    return files


async def test_options_that_are_none_are_refused(client: AppcuesClient) -> None:
    with pytest.raises(InvalidInput, match="storage_options is a str; give a mapping"):
        client.bulk.import_profiles("s3://bucket/a.csv", storage_options="s3cret")  # type: ignore[arg-type]


async def test_options_that_the_store_refuses_are_not_shown(client: AppcuesClient) -> None:
    given = {"anon": True, "x": "s3cret"}
    with pytest.raises(InvalidInput, match=r"TypeError; check its storage_options") as caught:
        await client.bulk.import_profiles("s3://bucket/a.csv", storage_options=given)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "module", "words"),
    [
        (
            "s3://bucket/a.csv",
            "s3fs",
            "s3:// needs s3fs; pip install 'appcues-async[cloud]' brings it",
        ),
        (
            "https://host/a.csv",
            "fsspec",
            "https:// needs fsspec; pip install 'appcues-async[cloud]'",
        ),
        (
            "gs://bucket/a.csv",
            "gcsfs",
            "gs:// needs gcsfs; pip install 'appcues-async[gcs]' brings it",
        ),
        (
            "az://box/a.csv",
            "adlfs",
            "az:// needs adlfs; pip install 'appcues-async[azure]' brings it",
        ),
    ],
)
async def test_a_missing_extra_is_named(
    client: AppcuesClient, monkeypatch: pytest.MonkeyPatch, url: str, module: str, words: str
) -> None:
    # What was imported before is remembered there.
    for scheme in ("s3", "gs", "az"):
        monkeypatch.delitem(sys.modules["fsspec.registry"]._registry, scheme, raising=False)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(InvalidInput) as caught:
        await client.bulk.import_profiles(url)
    assert words in str(caught.value)
