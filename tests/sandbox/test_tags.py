"""Tags."""

from __future__ import annotations

from tests.sandbox.caller import Caller


async def test_two_tags_are_there(api: Caller) -> None:
    listed = (await api.get("tags")).json
    assert [(tag["id"], tag["name"]) for tag in listed] == [
        ("tag1", "Onboarding"),
        ("tag2", "Releases"),
    ]


async def test_a_tag_has_all_known_fields(api: Caller) -> None:
    tag = (await api.get("tags/tag1")).json
    assert set(tag) == {
        *("id", "name", "created_at", "created_by", "updated_at", "updated_by", "url")
    }
    assert tag["url"] == f"{api.account}/tags/tag1"


async def test_an_unknown_tag_gets_404(api: Caller) -> None:
    assert (await api.get("tags/x")).status == 404
