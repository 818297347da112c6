"""The one converter between the API's JSON and the models.

Tolerant of what comes in: unknown fields, and optional ones of another type, are kept in `extra`,
unknown words are kept as they are, a list may be bare or wrapped in an object that holds nothing else
that is a list.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import attrs
import cattrs
import msgspec
from cattrs.gen import make_dict_structure_fn, override
from msgspec.structs import replace

from appcues_async.errors import UnexpectedReply
from appcues_async.models import Job
from appcues_async.text import hide_links
from appcues_async.wire.reply import Reply, excerpt, is_page

__all__ = [
    "JobSummary",
    "encode",
    "expect_saved",
    "expect_success",
    "job_of",
    "read_object",
    "read_objects",
    "read_summaries",
    "reader",
    "reader_of_list",
]

T = TypeVar("T")
M = TypeVar("M", bound=attrs.AttrsInstance)

encode: Final[Callable[[object], bytes]] = msgspec.json.Encoder(decimal_format="number").encode
"""Encodes one JSON value; the value rules are checked before (see `rows/values.py`)."""


def _text(value: object, _: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"expected text, got {type(value).__name__}")
    return value


def _text_or_none(value: object, _: object) -> str | None:
    return value if isinstance(value, str) else None


def _flag(value: object, _: object) -> bool | None:
    # As a condition "false" would be true.
    return value if isinstance(value, bool) else None


def _moment(value: object, _: object) -> datetime | None:
    """ISO 8601 text or epoch milliseconds; what has no zone is UTC, and what is no time is None.

    No wait for a job may fail because the time of its start is written in a new way.
    """
    try:
        match value:
            case str():
                moment = datetime.fromisoformat(value)
                return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
            case bool():
                return None
            case int() | float():
                return datetime.fromtimestamp(value / 1000, UTC)
            case _:
                return None
    except (ValueError, OverflowError, OSError):
        # The last is what the system says of a year far beyond its calendar.
        return None


def _model(cls: type[M], converter: cattrs.Converter) -> Callable[[Any, Any], M]:
    """A hook that fills a model, and takes null where there is a default.

    Unknown fields, and what is read as None for its type, are kept in `extra` as they came.
    """
    names = {field.name for field in attrs.fields(cls)} - {"extra"}
    defaulted = {field.name for field in attrs.fields(cls) if field.default is not attrs.NOTHING}
    guard: Any = attrs.fields_dict(cls)["extra"].converter
    fill = make_dict_structure_fn(cls, converter, extra=override(omit=True))

    def structure(value: Any, _: Any) -> M:
        if not isinstance(value, Mapping):
            raise TypeError(f"expected an object, got {type(value).__name__}")
        given = {
            name: one for name, one in value.items() if one is not None or name not in defaulted
        }
        model = fill(given, cls)
        unknown = {
            name: one
            for name, one in value.items()
            if name not in names or (one is not None and getattr(model, name) is None)
        }
        if unknown:
            # The model is made here and seen by nobody yet, so filling it in is no change to it.
            object.__setattr__(model, "extra", unknown if guard is None else guard(unknown))
        return model

    return structure


def _make_converter() -> cattrs.Converter:
    converter = cattrs.Converter(detailed_validation=False)
    converter.register_structure_hook(str, _text)
    converter.register_structure_hook(str | None, _text_or_none)
    converter.register_structure_hook(bool, _flag)
    converter.register_structure_hook(datetime, _moment)
    converter.register_structure_hook_factory(
        lambda cls: attrs.has(cls) and any(one.name == "extra" for one in attrs.fields(cls)),
        _model,
    )
    return converter


_converter: Final = _make_converter()


def reader(model: type[M]) -> Callable[[Reply], M]:
    """Returns a function that reads a reply as one model.

    That function raises `UnexpectedReply` when the body is something else.
    """

    def read(reply: Reply) -> M:
        return _structured(reply, reply.json(), model)

    return read


def reader_of_list(model: type[M]) -> Callable[[Reply], list[M]]:
    """Returns a function that reads a reply as a list of models.

    That function raises `UnexpectedReply` when the body is something else.
    """

    def read(reply: Reply) -> list[M]:
        listed = _listed(reply, f"a list of {model.__name__}")
        return [_structured(reply, one, model) for one in listed]

    return read


def read_object(reply: Reply) -> dict[str, Any]:
    """Reads a reply as values by name, as they come.

    Raises:
        UnexpectedReply: The body is no JSON object.
    """
    content = reply.json()
    if not isinstance(content, dict):
        raise _unreadable(reply, "an object")
    return content


def read_objects(reply: Reply) -> list[dict[str, Any]]:
    """Reads a reply as a list of values by name, as they come.

    Raises:
        UnexpectedReply: The body is no list of JSON objects.
    """
    listed = _listed(reply, "a list of objects")
    if not all(isinstance(one, dict) for one in listed):
        raise _unreadable(reply, "a list of objects")
    return listed


def _listed(reply: Reply, expected: str) -> list[Any]:
    content = reply.json()
    if isinstance(content, dict):
        lists = [value for value in content.values() if isinstance(value, list)]
        content = lists[0] if len(lists) == 1 else content
    if not isinstance(content, list):
        raise _unreadable(reply, expected)
    return content


class JobSummary(msgspec.Struct, frozen=True, gc=False):
    """A job as lists show it: as little as waiting needs, since thousands are read each time.

    Attributes:
        id: The job's id.
        status: Its status.
        name: Its name.
        started_at: When it was created, as the API wrote it.
        url: Where it can be looked up.
    """

    id: str
    status: str = ""
    name: str = ""
    started_at: str | None = None
    url: str = ""


_summaries: Final = msgspec.json.Decoder(list[JobSummary])


def read_summaries(reply: Reply) -> dict[str, JobSummary]:
    """Reads a list of jobs, by id; eight times as fast as the converter, in the form it has today.

    Raises:
        UnexpectedReply: The body is no list of jobs.
    """
    try:
        summaries = _summaries.decode(reply.body)
    except (msgspec.DecodeError, RecursionError):
        summaries = [
            JobSummary(job.id, job.status, job.name, url=job.url)
            for job in reader_of_list(Job)(reply)
        ]
    # Names are compared with those of jobs, which hold no links.
    return {
        one.id: replace(one, name=hide_links(one.name)) if "/" in one.name else one
        for one in summaries
    }


def job_of(summary: JobSummary) -> Job:
    """Makes a job of what a list shows of it."""
    return Job(
        id=summary.id,
        name=summary.name,
        status=summary.status,
        started_at=_moment(summary.started_at, None),
        url=summary.url,
    )


def expect_success(reply: Reply) -> None:
    """Accepts a success whose body holds nothing of use, or is empty.

    Raises:
        UnexpectedReply: It is a web page, such as a proxy's login, and not the API's answer.
    """
    if is_page(reply.headers):
        raise _unreadable(reply, "an answer of the API")


def expect_saved(reply: Reply) -> None:
    """Accepts a success whose body was written to a file.

    Raises:
        UnexpectedReply: It was not.
    """
    expect_success(reply)
    if reply.status != 200:
        raise UnexpectedReply(f"{reply.status}, which brings no file", reply=reply)


def _structured(reply: Reply, content: Any, model: type[M]) -> M:
    try:
        return _converter.structure(content, model)
    except (TypeError, ValueError, KeyError, AttributeError, cattrs.BaseValidationError):
        # What cattrs says quotes the value, and the value may be somebody's data.
        raise _unreadable(reply, f"a {model.__name__}") from None


def _unreadable(reply: Reply, expected: str) -> UnexpectedReply:
    return UnexpectedReply(
        f"{reply.status} with a body that is not {expected}: {excerpt(reply)}", reply=reply
    )
