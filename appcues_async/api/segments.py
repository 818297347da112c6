"""Segments of an account's users (reference, "Segments")."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from attrs import define, field

from appcues_async.api.publishing import Collection
from appcues_async.errors import InvalidInput, OutcomeUnknown
from appcues_async.models import COMPLETED, Job, Segment
from appcues_async.recovery.evidence import Claim, Finding, Verdict, judge
from appcues_async.recovery.inquiry import send_timed
from appcues_async.recovery.ownership import LocalOwners
from appcues_async.recovery.starting import RecoverableRequest, Starter
from appcues_async.rows.file_head import Format
from appcues_async.rows.ids import ANY_ID, UserId, id_rule
from appcues_async.rows.kinds import USER_IDS
from appcues_async.rows.sources import Source, body_of
from appcues_async.rows.values import check_text
from appcues_async.waiting.handle import JobHandle
from appcues_async.wire.codec import encode, expect_success, reader, reader_of_list
from appcues_async.wire.reply import Reply
from appcues_async.wire.request import Endpoint, Lane, Repeat, Request
from appcues_async.wire.sender import Sender

__all__ = ["Segments"]

LIST: Final = Endpoint("GET", "segments")
CREATE: Final = Endpoint("POST", "segments", Repeat.UNSAFE)
UPDATE: Final = Endpoint("PATCH", "segments/{segment_id}")
DELETE: Final = Endpoint("DELETE", "segments/{segment_id}")
ADD: Final = Endpoint("POST", "segments/{segment_id}/add_user_ids", lane=Lane.UPLOAD)
REMOVE: Final = Endpoint("POST", "segments/{segment_id}/remove_user_ids", lane=Lane.UPLOAD)

_read_segment: Final = reader(Segment)
_read_segments: Final = reader_of_list(Segment)


class Segments(Collection[Segment]):
    """`client.segments`: the account's segments, and who is in them."""

    def __init__(self, sender: Sender, starter: Starter) -> None:
        super().__init__(sender, Segment, "segments", "segment_id")
        self._starter = starter

    async def create(self, name: str, description: str | None = None) -> Segment:
        """Makes a segment, empty at first.

        Where the answer is lost, the account's segments tell what became of it. Evidence are the fields
        that are documented for a segment: one of this name and description whose `created_at` lies in
        the time of the request, and which no other call here has made, is the one. Exactly one is
        returned; where there is none after `Timeouts.settle` seconds, the request is sent again.

        Args:
            name: Its name.
            description: What it is for.

        Returns:
            The segment, with its id.

        Raises:
            InvalidInput: The name is empty.
            OutcomeUnknown: Nothing says whether it was made; it is not made twice.
        """
        body = {"name": check_text(name, "name")}
        if description is not None:
            body["description"] = _description(description)
        creation = _Creation(
            CREATE.request(encode(body)),
            _text_of(name, description),
            self._sender,
            self._starter.owners,
        )
        # A segment of another name is no rival.
        claim = self._starter.claim("segments", target=f"segment {creation.text}")
        try:
            return await self._starter.send(creation, claim)
        except OutcomeUnknown as error:
            # They are segments, and no jobs.
            error.candidates = ()
            raise

    async def update(
        self, segment_id: str, *, name: str | None = None, description: str | None = None
    ) -> Segment:
        """Changes a segment's name, description, or both.

        Args:
            segment_id: Which.
            name: Its new name.
            description: Its new description; an empty one takes it away.

        Raises:
            InvalidInput: Nothing is to be changed, or the name is empty.
            NotFound: There is none of that id.
        """
        body: dict[str, str] = {}
        if name is not None:
            body["name"] = check_text(name, "name")
        if description is not None:
            body["description"] = _description(description)
        if not body:
            raise InvalidInput("neither name nor description is given; give what is to be changed")
        request = UPDATE.request(encode(body), segment_id=segment_id)
        return await self._sender.send(request, _read_segment)

    async def delete(self, segment_id: str) -> None:
        """Deletes a segment for good.

        Raises:
            NotFound: There is none of that id.
        """
        await self._sender.send(DELETE.request(segment_id=segment_id), expect_success)

    async def add_user_ids(
        self,
        segment_id: str,
        source: Source,
        *,
        format: Format | None = None,  # noqa: A002 - the public word
        storage_options: Mapping[str, Any] | None = None,
        allow_ids: Iterable[UserId] = (),
    ) -> JobHandle:
        """Adds users to a segment; adding one twice is harmless.

        Args:
            segment_id: Which.
            source: Ids, a data frame or one column of it, or a path or bytes: a CSV of one
                column, or NDJSON with each id in double quotes; up to 200,000,000 bytes. Or a URL
                of such a file, of up to 20,000,000.
            format: How a file or bytes are written, when their name or content does not show it.
            storage_options: What fsspec opens the store of a URL with.
            allow_ids: Ids that are taken although they look like none, such as `null` or `12345.0`.

        Returns:
            The job that adds them.

        Raises:
            InvalidInput: The source is refused, before anything is sent.
            AppcuesError: It was not accepted.
        """
        body = await body_of(
            source,
            USER_IDS.with_ids(id_rule(allow_ids)),
            format=format,
            storage_options=storage_options,
        )
        return await self._starter.start(ADD.request(body, segment_id=segment_id))

    async def remove_user_ids(
        self,
        segment_id: str,
        source: Source,
        *,
        format: Format | None = None,  # noqa: A002 - the public word
        storage_options: Mapping[str, Any] | None = None,
    ) -> JobHandle:
        """Removes users that were added with `add_user_ids`; removing one twice is harmless.

        Args:
            segment_id: Which.
            source: As for `add_user_ids`; any id is taken that is not empty.
            format: As for `add_user_ids`.
            storage_options: As for `add_user_ids`.

        Returns:
            The job that removes them.

        Raises:
            InvalidInput: The source is refused, before anything is sent.
            AppcuesError: It was not accepted.
        """
        body = await body_of(
            source, USER_IDS.with_ids(ANY_ID), format=format, storage_options=storage_options
        )
        return await self._starter.start(REMOVE.request(body, segment_id=segment_id))


@define
class _Creation(RecoverableRequest[Segment]):
    """A request that creates a segment, which is found by its name and description."""

    request: Request
    text: tuple[str, str]
    sender: Sender
    owners: LocalOwners
    alike: dict[str, Segment] = field(factory=dict)

    def read(self, reply: Reply) -> Segment:
        return _read_segment(reply)

    def id_of(self, value: Segment) -> str:
        return value.id

    async def search(self, claim: Claim, settled: bool) -> Verdict:
        listed, clocks = await send_timed(self.sender, LIST.request(), _read_segments)
        self.alike = {
            one.id: one for one in listed if _text_of(one.name, one.description) == self.text
        }
        # To the rules it is a job that has ended and has no counts.
        made = [
            Job(id=one.id, status=COMPLETED, started_at=one.created_at)
            for one in self.alike.values()
        ]
        owned = self.owners.whose(self.alike)
        verdict = judge(claim, made, owned, clocks, settled=settled)
        if len(verdict.jobs) == 1 and verdict.jobs[0].started_at is not None:
            # One of this very name and description, made at this very moment, is not waited to be
            # the only one. One of another moment may be years old.
            early = judge(claim, made, owned, clocks, settled=True)
            verdict = early if early.finding is Finding.FOUND else verdict
        return verdict

    def adopt(self, job: Job) -> Segment:
        return self.alike[job.id]


def _text_of(name: str, description: str | None) -> tuple[str, str]:
    """The text that identifies a segment, without what a server may write in another way."""
    return name.strip(), (description or "").strip()


def _description(value: Any) -> str:
    return "" if value == "" else check_text(value, "description")
