"""Pictures of what users see."""

from __future__ import annotations

import io
import zipfile

import pytest

from tests.sandbox.caller import Caller


@pytest.mark.parametrize("resource_id", ["flow1", "pin2", "checklist1", "nps1"])
async def test_they_come_as_a_zip_file_of_pictures(api: Caller, resource_id: str) -> None:
    got = await api.get(f"screenshots/{resource_id}")
    assert got.headers["Content-Type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(got.body)) as archive:
        (name,) = archive.namelist()
        assert archive.testzip() is None
        assert archive.read(name).startswith(b"\x89PNG\r\n")


async def test_an_unknown_resource_gets_404(api: Caller) -> None:
    assert (await api.get("screenshots/x")).json["status"] == 404
