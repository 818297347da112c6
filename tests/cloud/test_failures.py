"""What a store does not give is asked for again, or is an error in words, before anything is lost."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from appcues_async import AppcuesClient, InvalidInput
from appcues_async.rows import store_reads
from appcues_async.sandbox import Sandbox
from tests.cloud.conftest import ShakyStore

LARGE = b"user_id,plan\n" + b"".join(b"u%d,%0200d\n" % (one, one) for one in range(3_000))
URL = "shaky:///users.csv"


class Answer(Exception):  # noqa: N818 - stands for an error of a store's own package
    """An answer with a status, as web clients raise it."""

    def __init__(self, status: int) -> None:
        super().__init__(f"{status} https://host/users.csv?X-Amz-Signature=s3cret")
        self.status = status


class SlowDown(OSError):  # noqa: N818 - the store's word
    """An answer of S3, as botocore has it."""

    response = {  # noqa: RUF012
        "Error": {"Code": "SlowDown"},
        "ResponseMetadata": {"HTTPStatusCode": 503},
    }


def times(number: int, error: Exception) -> Callable[[str], None]:
    """Fails so many times."""
    left = [number]

    def fail(_: str) -> None:
        if left[0]:
            left[0] -= 1
            raise error

    return fail


@pytest.fixture(autouse=True)
def users(store: ShakyStore) -> ShakyStore:
    store.pipe("/users.csv", LARGE)
    return store


@pytest.mark.parametrize(
    "error", [SlowDown(), ConnectionResetError(), TimeoutError(), Answer(503), Answer(429)]
)
async def test_what_another_try_mends_is_tried_again(
    sandbox: Sandbox, client: AppcuesClient, error: Exception
) -> None:
    ShakyStore.on_open = times(4, error)
    report = await client.bulk.import_profiles(URL)
    assert report.accepted == len(sandbox.profiles) == 3_000


async def test_a_range_that_is_cut_short_is_read_again(
    sandbox: Sandbox, client: AppcuesClient, store: ShakyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = ShakyStore.store["/users.csv"]
    read, cuts = whole.read, [100, 0, 7]
    whole.read = lambda size: read(size)[: cuts.pop()] if cuts else read(size)
    report = await client.bulk.import_profiles(URL)
    assert report.accepted == len(sandbox.profiles) == 3_000


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (SlowDown(), f"{URL} cannot be read: SlowDown (503), 5 times in a row; run it again once"),
        (Answer(500), f"{URL} cannot be read: Answer (500), 5 times in a row"),
        (ConnectionResetError(), f"{URL} cannot be read: ConnectionResetError, 5 times in a row"),
        (
            Answer(403),
            f"{URL} cannot be read: its store refuses (Answer (403)); check the credential",
        ),
        (PermissionError(), f"{URL} cannot be read: its store refuses (PermissionError)"),
        (FileNotFoundError(), f"there is no {URL}; check its name"),
        (Answer(412), f"{URL} has changed since the run began; run it again"),
        (Answer(400), f"{URL} cannot be read: Answer (400)"),
        (
            type("NoCredentialsError", (Exception,), {})(),
            f"{URL} cannot be read: its store has found no credentials that it takes",
        ),
    ],
)
async def test_what_no_try_mends_is_an_error_before_anything_is_sent(
    sandbox: Sandbox, client: AppcuesClient, error: Exception, words: str
) -> None:
    ShakyStore.on_open = times(99, error)
    with pytest.raises(InvalidInput) as caught:
        await client.bulk.import_profiles(URL)
    assert str(caught.value).startswith(words)
    assert "s3cret" not in str(caught.value)
    assert not sandbox.requests


async def test_an_object_that_is_gone_once_it_was_listed_is_an_error_before_anything_is_sent(
    sandbox: Sandbox, client: AppcuesClient, store: ShakyStore
) -> None:
    for name in "abc":
        store.pipe(f"/day/{name}.csv", LARGE)

    def vanish(path: str) -> None:
        if path == "/day/b.csv":
            raise FileNotFoundError(path)

    ShakyStore.on_open = vanish
    with pytest.raises(InvalidInput) as caught:
        await client.bulk.import_profiles("shaky:///day/*.csv")
    assert str(caught.value) == (
        "1 of 3 files are refused, and nothing was sent: there is no shaky:///day/b.csv; check its "
        "name, and that of its bucket or host"
    )
    assert not sandbox.requests


@pytest.mark.parametrize("opens", [1, 2])
async def test_no_row_of_an_object_that_has_changed_is_sent(
    sandbox: Sandbox, client: AppcuesClient, store: ShakyStore, opens: int
) -> None:
    def replace(_: str) -> None:
        if len(ShakyStore.opened) == opens:
            store.pipe("/users.csv", LARGE.replace(b",0", b",1"))

    ShakyStore.on_open = replace
    with pytest.raises(InvalidInput, match=r"users\.csv has changed since the run began; run it"):
        await client.bulk.import_profiles(URL)
    assert not {one["plan"][0] for one in sandbox.profiles.values()} - {"0"}


async def test_a_journal_takes_up_a_run_and_refuses_an_object_that_has_changed(
    sandbox: Sandbox, client: AppcuesClient, store: ShakyStore, tmp_path: Path
) -> None:
    journal = tmp_path / "run.db"
    await client.bulk.import_profiles(URL, journal=journal)
    sent = len(sandbox.requests)
    again = await client.bulk.import_profiles(URL, journal=journal)
    assert again.accepted == 3_000
    assert not [one for one in sandbox.requests[sent:] if one.method == "POST"]
    store.pipe("/users.csv", LARGE.replace(b",0", b",1"))
    with pytest.raises(InvalidInput, match=r"users\.csv has changed: it had .* bytes of the ETag"):
        await client.bulk.import_profiles(URL, journal=journal)


async def test_a_run_whose_store_says_nothing_can_be_cancelled(client: AppcuesClient) -> None:
    hangs, told = threading.Event(), threading.Event()

    def hang(_: str) -> None:
        told.set()
        hangs.wait(20)

    ShakyStore.on_open = hang
    run = client.bulk.import_profiles(URL)
    task = asyncio.create_task(run.result())
    await asyncio.to_thread(told.wait, 5)
    task.cancel()
    async with asyncio.timeout(5):
        await asyncio.wait([task])
    hangs.set()
    assert run.report.cancelled


async def test_a_store_that_says_nothing_is_given_up(
    client: AppcuesClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    hangs = threading.Event()
    monkeypatch.setattr(store_reads, "PATIENCE", 0.05)
    ShakyStore.on_open = lambda _: hangs.wait(20)
    with pytest.raises(InvalidInput, match=r"users\.csv gave no bytes for 0\.05 s"):
        await client.imports.profiles(URL)
    hangs.set()
