"""Erasure of users ("GDPR Deletion API" of the help pages)."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import Final

from attrs import evolve

from appcues_async.api.resource import Resource
from appcues_async.errors import InvalidInput, UnexpectedReply
from appcues_async.rows.ids import ANY_ID, UserId, check_user_ids
from appcues_async.settings import as_secret
from appcues_async.text import Secret, type_in_words
from appcues_async.wire.codec import encode, expect_success, read_object
from appcues_async.wire.reply import Reply
from appcues_async.wire.request import Endpoint

__all__ = ["Gdpr"]

DELETE: Final = Endpoint("POST", "/v1/gdpr/delete")
LIMIT: Final = 8_000_000
"""Bytes that a request stays under."""


class Gdpr(Resource):
    """`client.gdpr`: erasure of users."""

    async def delete(self, user_ids: Iterable[UserId], *, legacy_api_key: str) -> str:
        """Has users erased for good, with all that Appcues knows of them.

        It is not undone. The account's API key and secret are not sent: this endpoint takes the Legacy
        API key. (`client.users.delete_profile` only resets a user.) The help page names the server of
        the US alone.

        Args:
            user_ids: Who; the request must stay below 8,000,000 bytes.
            legacy_api_key: The account's Legacy API key, as in Studio's settings.

        Returns:
            What the server says to it, such as `accepted 3 users for deletion`.

        Raises:
            InvalidInput: There are no ids, one is refused, they are too many, or the key is malformed.
            Unauthorized: The key is not the account's Legacy API key.
        """
        # First of all, for the sake of those who write down the variables of a frame that fails.
        legacy_api_key = as_secret(legacy_api_key)
        body = encode({"users": check_user_ids(user_ids, rule=ANY_ID)})
        if len(body) >= LIMIT:
            raise InvalidInput(
                f"user_ids makes a request of {len(body):,} bytes; it must stay below {LIMIT:,}: "
                "send fewer ids at a time"
            )
        request = evolve(DELETE.request(body), authorization=_authorization(legacy_api_key))
        return await self._sender.send(request, _read_message)


def _authorization(key: object) -> Secret:
    # The key itself stays out of the messages.
    if not isinstance(key, str):
        raise InvalidInput(f"legacy_api_key is {type_in_words(key)}; it must be text")
    if not key or not key.isprintable() or " " in key or ":" in key:
        raise InvalidInput(
            "legacy_api_key is empty, or holds a space, a colon or a control character; copy the "
            "Legacy API key again from Appcues Studio, settings"
        )
    return Secret("Basic " + base64.b64encode(f"{key}:".encode()).decode("ascii"))


def _read_message(reply: Reply) -> str:
    """Reads what is said of a success, in whatever form save a page."""
    expect_success(reply)
    try:
        return str(read_object(reply)["message"])
    except (UnexpectedReply, KeyError):
        return reply.text()
