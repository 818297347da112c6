"""The meaning of a store's failures: whether to try again, and what to say, without a secret in it."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from typing import Any, Final, TypeAlias, TypeVar

from appcues_async.errors import InvalidInput
from appcues_async.settings import RetryPolicy, Timeouts
from appcues_async.wire.policy import backoff

__all__ = ["Wait", "retried"]

T = TypeVar("T")

Wait: TypeAlias = Callable[[float], bool]
"""Waits so many seconds; says whether to give up."""

_CREDENTIALS: Final = frozenset(
    {
        "ClientAuthenticationError",
        "CredentialUnavailableError",
        "DefaultCredentialsError",
        "NoCredentialsError",
        "PartialCredentialsError",
        "ProfileNotFound",
        "RefreshError",
        "TokenRetrievalError",
        "UnauthorizedSSOTokenError",
    }
)
_FINAL: Final = (
    NotImplementedError,
    TypeError,
    AttributeError,
    ValueError,
    IsADirectoryError,
    ImportError,
)
_FOR_NOW: Final = frozenset({408, 425, 429})
"""Statuses below 500 that another try may mend."""


def retried(call: Callable[[], T], name: str, wait: Wait) -> T:
    """Asks a store, and asks again as long as that may help and the budget of a request lasts.

    Args:
        call: What to do.
        name: What is read, for messages.
        wait: Waits before another try.

    Raises:
        InvalidInput: The store refuses, or has nothing to give however often it is asked.
    """
    policy, until = RetryPolicy(), time.monotonic() + Timeouts().budget
    number = 0
    while True:
        number += 1
        try:
            return call()
        except InvalidInput:
            raise
        except Exception as error:  # noqa: BLE001 - each store has errors of its own
            final = _refusal_of(error, name)
            if final is not None:
                raise final from None
            pause = backoff(policy, number, random.uniform(0.5, 1))
            late = number >= policy.attempts or time.monotonic() + pause > until
            if late or wait(pause):
                raise InvalidInput(
                    f"{name} cannot be read: {_in_words(error)}, {number} times in a row; run it again "
                    "once its store answers"
                ) from None


def _refusal_of(error: Exception, name: str) -> InvalidInput | None:
    """Why no other try helps; None where one may."""
    chain = list(_chain(error))
    status = _status_of(chain)
    kinds = {type(one).__name__ for one in chain}
    if kinds & _CREDENTIALS:
        return InvalidInput(
            f"{name} cannot be read: its store has found no credentials that it takes "
            f"({type(error).__name__}); set them as its own tools have them, or give storage_options"
        )
    if "FileExpired" in kinds or status in {412, 416}:
        return InvalidInput(f"{name} has changed since the run began; run it again")
    if status in {404, 410} or (isinstance(error, FileNotFoundError) and not _is_of_web(chain)):
        return InvalidInput(f"there is no {name}; check its name, and that of its bucket or host")
    if isinstance(error, PermissionError) or status in {401, 403}:
        return InvalidInput(
            f"{name} cannot be read: its store refuses ({_in_words(error)}); check the credentials, and "
            "what they may read"
        )
    refused = status is not None and 400 <= status < 500 and status not in _FOR_NOW
    if not refused and not isinstance(error, _FINAL):
        return None
    what, fix = _in_words(error), ""
    if isinstance(error, TypeError):
        fix = "; check its storage_options"
    if isinstance(error, ValueError) and "range" in str(error):
        what, fix = "its server takes no ranges", "; download it, and give the path of the file"
    return InvalidInput(f"{name} cannot be read: {what}{fix}")


def _is_of_web(chain: list[BaseException]) -> bool:
    """Whether fsspec says of a server that could not be asked, or failed, that there is no file."""
    return any(type(one).__module__.startswith("aiohttp") for one in chain)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error and what caused it: stores wrap one in another."""
    for _ in range(8):
        if error is None:
            return
        yield error
        error = error.__cause__ or error.__context__


def _status_of(chain: list[BaseException]) -> int | None:
    for one in chain:
        answer = getattr(one, "response", None)
        meta = answer.get("ResponseMetadata", {}) if isinstance(answer, dict) else {}
        names = (name for name in ("status", "status_code", "code") if name in dir(one))
        # Of several, the first is the one that is not outdated.
        found = meta.get("HTTPStatusCode") or getattr(one, next(names, ""), None)
        if isinstance(found, int) and 100 <= found < 600:
            return found
    return None


def _in_words(error: BaseException) -> str:
    """The store's own code of an error. Its text may quote a signed URL, and is left out."""
    chain = list(_chain(error))
    status = _status_of(chain)
    code: Any = None
    for one in chain:
        answer = getattr(one, "response", None)
        if isinstance(answer, dict):
            code = code or answer.get("Error", {}).get("Code")
        code = code or getattr(one, "error_code", None)
    if isinstance(error, FileNotFoundError) and len(chain) > 1:
        error = chain[1]
    word = code if isinstance(code, str) and code.isidentifier() else type(error).__name__
    return word if status is None or word == str(status) else f"{word} ({status})"
