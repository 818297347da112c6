"""Erasure of users, with a key of its own."""

from __future__ import annotations

from typing import Final

from appcues_async.sandbox.call import JSON, MULTIPART, Call, Upload
from appcues_async.sandbox.problems import Refusal
from appcues_async.sandbox.replies import Reply
from appcues_async.sandbox.routes.route import Route
from appcues_async.sandbox.rows import read_user_ids

__all__ = ["ROUTES"]

#: A request must be smaller than this, in bytes.
_LIMIT: Final = 8_000_000


async def _delete_users(call: Call) -> Reply:
    if call.is_json():
        user_ids = await call.json_user_ids("users", limit=_LIMIT - 1)
    else:
        user_ids = await call.upload(_read, accepted=MULTIPART, also=(JSON,), limit=_LIMIT - 1)
    call.state.delete_profiles(user_ids)
    return Reply(200, {"ok": True, "message": f"accepted {len(user_ids)} users for deletion"})


def _read(upload: Upload) -> list[str]:
    if not upload.is_csv:
        raise Refusal(400, "The file must be CSV")
    rows = read_user_ids(upload.text, csv_text=True, keep=True, header=False)
    if rows.failed:
        raise Refusal(400, "The file must be a single column of user ids")
    return rows.kept


ROUTES: Final = (Route("POST", "gdpr/delete", _delete_users),)
