"""Experiences other than flows, and checklists."""

from __future__ import annotations

from datetime import datetime

import pytest

from appcues_async.sandbox import Sandbox
from tests.sandbox.caller import Caller

TYPES = ["pins", "mobile", "launchpads", "banners", "flows-v2", "embeds", "nps"]
EPOCH = ["pins", "launchpads", "banners", "checklists"]
FIRST = {"checklists": "checklist1", "flows-v2": "flow-v2-1", "mobile": "mobile1", "nps": "nps1"}


def first(noun: str) -> str:
    return FIRST.get(noun, f"{noun[:-1]}1")


def second(noun: str) -> str:
    return first(noun)[:-1] + "2"


@pytest.mark.parametrize("noun", [*TYPES, "checklists"])
async def test_two_of_each_are_there(api: Caller, noun: str) -> None:
    listed = (await api.get(noun)).json
    assert [(one["id"], one["published"]) for one in listed] == [
        (first(noun), True),
        (second(noun), False),
    ]


@pytest.mark.parametrize("noun", TYPES)
async def test_an_experience_says_its_type_and_address(api: Caller, noun: str) -> None:
    got = (await api.get(f"{noun}/{first(noun)}")).json
    assert (got["type"], got["url"]) == (noun, f"{api.account}/{noun}/{first(noun)}")


async def test_a_checklist_has_an_internal_name_and_a_title_and_no_name(api: Caller) -> None:
    got = (await api.get("checklists/checklist1")).json
    assert (got["internal_name"], got["title"]) == ("First steps", "Get started")
    assert "name" not in got


@pytest.mark.parametrize("noun", EPOCH)
async def test_some_tell_times_in_milliseconds(api: Caller, noun: str) -> None:
    got = (await api.get(f"{noun}/{first(noun)}")).json
    assert got["created_at"] == 1_767_630_069_000
    assert got["updated_at"] == got["published_at"] == 1_767_632_442_000


@pytest.mark.parametrize("noun", [noun for noun in TYPES if noun not in EPOCH])
async def test_the_others_tell_them_in_iso_8601(api: Caller, noun: str) -> None:
    assert (await api.get(f"{noun}/{first(noun)}")).json["created_at"] == "2026-01-05T16:21:09Z"


@pytest.mark.parametrize("noun", [*TYPES, "checklists"])
async def test_publishing_shows_and_is_harmless_when_repeated(api: Caller, noun: str) -> None:
    before = (await api.get(f"{noun}/{second(noun)}")).json
    for _ in range(2):
        got = await api("POST", f"{noun}/{second(noun)}/publish", b"")
        assert got.json == {"status": 200, "title": "OK"}
    after = (await api.get(f"{noun}/{second(noun)}")).json
    assert after["published"] is True
    assert after["published_at"] == after["updated_at"] > before["updated_at"]


@pytest.mark.parametrize("noun", [*TYPES, "checklists"])
async def test_unpublishing_shows(api: Caller, noun: str) -> None:
    assert (await api("POST", f"{noun}/{first(noun)}/unpublish", b"")).status == 200
    assert (await api.get(f"{noun}/{first(noun)}")).json["published"] is False


@pytest.mark.parametrize("noun", [*TYPES, "checklists"])
async def test_an_unknown_one_gets_404(api: Caller, noun: str) -> None:
    for method, path in [("GET", "x"), ("POST", "x/publish"), ("POST", "x/unpublish")]:
        assert (await api(method, f"{noun}/{path}")).status == 404


async def test_one_of_another_type_gets_404(api: Caller) -> None:
    assert (await api.get("banners/pin1")).status == 404


async def test_they_are_json_even_where_csv_is_asked_for(api: Caller) -> None:
    got = await api.get("pins", headers={"Accept": "text/csv"})
    assert got.headers["Content-Type"] == "application/json"


async def test_a_publication_is_in_the_sandbox_s_own_time(api: Caller) -> None:
    api.sandbox.advance(3600 * 24 * 365)
    await api("POST", "pins/pin2/publish", b"")
    at = api.sandbox.experiences["pins"]["pin2"].published_at
    assert isinstance(at, int)
    assert at / 1000 - datetime.now().timestamp() > 3600 * 24 * 364


def test_two_sandboxes_do_not_share_what_is_there_at_first() -> None:
    one, other = Sandbox(), Sandbox()
    one.checklists["checklist2"].published = True
    assert other.checklists["checklist2"].published is False
