"""Files behind presigned links: outside of the API, and without credentials."""

from __future__ import annotations

from typing import Final
from xml.sax.saxutils import escape

from appcues_async.sandbox.call import Call
from appcues_async.sandbox.downloads import SIGNATURE
from appcues_async.sandbox.replies import Reply

__all__ = ["PREFIX", "get_file"]

#: The first part of the path of every link.
PREFIX: Final = "files"


async def get_file(call: Call) -> Reply:
    """Answers a request for a file as an object store does, with errors in XML."""
    if call.method != "GET":
        return _refuse(405, "MethodNotAllowed", "The specified method is not allowed")
    if "Authorization" in call.request.headers:
        return _refuse(400, "InvalidArgument", "Only one auth mechanism allowed")
    job_id = call.path.split("/", 2)[2]
    file = call.state.downloads.find(job_id, call.query.get(SIGNATURE, ""))
    if file is None:
        return _refuse(403, "AccessDenied", "Request has expired, or its signature is wrong")
    return Reply(200, file.content, media_type=file.media_type)


def _refuse(status: int, code: str, message: str) -> Reply:
    text = f"<Error><Code>{code}</Code><Message>{escape(message)}</Message></Error>"
    return Reply(status, text.encode(), media_type="application/xml")
