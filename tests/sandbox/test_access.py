"""Who may come in, and where to."""

from __future__ import annotations

import aiohttp
import pytest

from tests.sandbox.caller import Caller


async def test_a_request_without_credentials_gets_401(api: Caller) -> None:
    async with api.session.get(f"{api.account}/flows") as response:
        assert response.status == 401


@pytest.mark.parametrize(
    "authorization",
    [
        aiohttp.encode_basic_auth("sandbox-key", "wrong"),
        aiohttp.encode_basic_auth("wrong", "sandbox-secret"),
        "Bearer sandbox-key",
        "Basic not-base64",
        "Basic",
    ],
)
async def test_wrong_credentials_get_401(api: Caller, authorization: str) -> None:
    got = await api.get("flows", headers={"Authorization": authorization})
    assert got.status == 401


async def test_another_account_gets_403(api: Caller) -> None:
    got = await api.get(f"{api.sandbox.url}/v2/accounts/other/flows")
    assert got.status == 403


@pytest.mark.parametrize("path", ["flowers", "", "flows/", "flows/flow1/publish/now", "jobs//"])
async def test_an_unknown_path_gets_404(api: Caller, path: str) -> None:
    assert (await api.get(path)).status == 404


@pytest.mark.parametrize("path", ["/v2", "/v2/accounts", "/v3/accounts/sandbox-account/flows"])
async def test_a_path_outside_of_the_account_gets_404_or_401(api: Caller, path: str) -> None:
    assert (await api.get(api.sandbox.url + path)).status == 404


async def test_a_known_path_with_another_method_gets_404(api: Caller) -> None:
    assert (await api("PUT", "flows")).status == 404


async def test_errors_are_problem_details_in_json(api: Caller) -> None:
    got = await api.get("flows/flow9")
    assert got.json == {
        "error": True,
        "status": 404,
        "title": "Not Found",
        "detail": "Flow 'flow9' does not exist",
    }
    assert got.headers["Content-Type"] == "application/json"


async def test_errors_are_json_even_where_csv_is_asked_for(api: Caller) -> None:
    got = await api.get("flows/flow9", headers={"Accept": "text/csv"})
    assert got.json["status"] == 404


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("*/*", "application/json"),
        ("", "application/json"),
        ("text/csv", "text/csv"),
        ("text/csv, */*", "text/csv"),
        ("application/json, text/csv", "application/json"),
        ("application/json;q=0.5, text/csv", "text/csv"),
        ("text/csv;q=0", "application/json"),
        ("text/csv;q=x", "application/json"),
    ],
)
async def test_the_accept_header_chooses_the_format(
    api: Caller, accept: str, content_type: str
) -> None:
    got = await api.get("flows", headers={"Accept": accept})
    assert got.headers["Content-Type"] == content_type


async def test_the_account_id_may_be_percent_encoded(api: Caller) -> None:
    got = await api.get(f"{api.sandbox.url}/v2/accounts/sandbox%2Daccount/flows")
    assert got.status == 200


async def test_a_path_that_is_not_utf8_gets_400(api: Caller) -> None:
    assert (await api.get("users/%FF/profile")).status == 400
