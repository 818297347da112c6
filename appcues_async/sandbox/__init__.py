"""The Appcues API, offline: for tests, demos and work without an account.

A sandbox is one account behind real HTTP on a loopback address. It keeps what it is sent, refuses
what is documented as wrong, counts requests, lets jobs take their time, and goes wrong on demand::

    async with Sandbox(job_seconds=30) as sandbox:
        async with AppcuesClient(**sandbox.credentials) as client:
            handle = await client.imports.profiles(b'{"user_id": "u1", "plan": "pro"}')
            assert sandbox.profiles == {}
            sandbox.advance(30)
            assert sandbox.profiles == {"u1": {"plan": "pro"}}

    sandbox.faults.add(Reset(applied=True), method="POST", path="/import/events")

It is written from the API's documents alone and shares no code with the client. Where they are
silent, the sandbox had to decide. A program that relies on one of these decisions relies on a
guess:

Access
    * Credentials are checked first, then the account, the rate limit, the path, and at last the
      body. Another account than the sandbox's own gets 403. A known path with another method gets
      404, like an unknown path.
    * The rate limit is a bucket of one second's worth of requests for the whole account, version 1
      and erasure included. Requests that get 401 or 403 are not counted. A 429 is answered before
      the body is read, and has no Retry-After header unless `retry_after` is given.
    * Errors are JSON even where CSV is asked for, and so are the resources that the API's reference
      does not have.
    * A part of a path is decoded as a whole: `%2F` is a slash within a user id.

Bodies
    * A body may have 20,000,000 bytes, and an uploaded file 200,000,000; more gets 413. MB are
      millions, and so are the limits of endpoints that document none.
    * Content types are taken literally: `application/x-ndjson` gets 415, and so do imports of
      `application/json`, character sets other than UTF-8, and compressed bodies.
    * An uploaded file is the one part named `file`. It is CSV or Newline-Delimited JSON by its own
      content type, else by its name, else by its first character.
    * JSON is strict: NaN, Infinity, trailing commas and a byte order mark are errors. Where a
      name is repeated in an object, its last value counts.

Imports
    * What is wrong with the whole of an upload gets 400 at once: nothing in it, text that is not
      UTF-8, a CSV header that is malformed, lacks a column or names one twice. A byte order mark
      is part of the first column's name. What is wrong with a single row only counts in
      `ingestions_failed`, and the job is COMPLETED all the same, even if no row was valid. A CSV
      of nothing but a header is a job without rows.
    * User ids must be strings that are not empty; numbers fail. `user_id` goes before `userId`.
    * CSV values are strings, whatever they look like. An empty cell leaves the attribute as it is.
      Space around ids and column names is ignored, all other space is kept. Empty cells beyond the
      header do no harm, others make the row fail.
    * A null is kept as null.
    * Lists and objects are dropped from profiles, but kept in the attributes of events.
    * Event names that start with `appcues:` or have more than 127 characters fail. A timestamp
      must have a date and a time in ISO 8601; one without a zone is in UTC. What is in
      `attributes` goes before fields beside it.
    * The answer to an upload comes when it has been read through, so it may take seconds.

Jobs
    * Rows take effect all at once, when their job ends; jobs take effect in the order of their
      ends, which is the order of their starts where they take equally long.
    * Except for "Import Profiles", the names in `JOB_NAMES` are made up, and so is the last event
      of a failed job, "Failed" with a `detail`. All jobs have the events of an import.
    * The list shows all jobs but analytics exports, oldest first. Times are in UTC.

Experiences, checklists, tags, groups and screenshots
    * Times of pins, launchpads, banners and checklists are milliseconds since 1970, all others are
      in ISO 8601. The fields are those of flows, save for what is known to differ.
    * A group exists that was given a profile or users. Adding users answers like an update.
    * Screenshots are one picture of one pixel, of any flow, checklist or other experience.

Segments
    * The ids of a segment are those that were added and not removed since. An empty list of ids
      gets 400. Names must not be blank, and need not be unique.

Users
    * A user exists who has a profile. Events alone make no profile, except in version 1. The
      profile of an unknown user gets 404, the list of their events is empty.
    * Deleting a profile starts a job that also takes the user's events away, from exports and
      analytics, too.
    * Unknown fields of an event are ignored.

Exports
    * Nothing is mailed. The file is made when the job ends. Its link is in the job only if
      `export_links` is set, and good for a week.
    * It holds the events from `start_time` on and before `end_time`, in the order they took effect.
      Dates and times without a zone are in `time_zone`.
    * Conditions can ask for `name`, `user_id`, `timestamp`, and any other field that an event has
      as an attribute; a field that it does not have is null. The operators are ==, !=, in, like,
      ilike, their opposites that begin with `not`, `is null` and `is not null`. Opposites are exact:
      null is `not like` everything. Any other operator lets nothing through.

Analytics
    * A query has either `metrics`, with or without `dimensions`, or `columns`, and a
      `start_time`. Fields are looked for as in the conditions of exports, whatever their names, and
      so are the names of attributes. NPS metrics are null. `rank_n` has no effect.
    * An export is `queued` for the first half of its time and `running` for the second. Its file is
      Newline-Delimited JSON, and each look at it mints a link that is good for an hour. It is among
      `Sandbox.jobs`.
    * `nps_respondents` as a metric, and `nps_raw_score` and `nps_feedback` as columns, get 500, as
      they do from the API.
    * X-Concurrency headers tell how many exports run, of 5, which nothing enforces; X-RateLimit
      headers tell of the account's one rate limit. A 429 has a Retry-After header of a
      second, unless `retry_after` says otherwise.

Links to files
    * They lead to the sandbox itself, need no credentials, and are answered with 400 where there is
      an Authorization header. A link that has expired or is wrong gets 403. Errors are in XML.

Erasure
    * It takes profiles and events away at once. Unknown ids are accepted, too. The CSV has no
      header. Errors look like those of version 1.

Version 1
    * `request_id` is returned if it was given. A request that is wrong in part has no effect at
      all. Unix time is in seconds up to the end of the year 9999, and in milliseconds beyond.
      Another account gets 404.

Customer.io
    * The account's region is "us", and its address that of the sandbox.
    * Only manual segments exist; there is one, with the id 1. An unknown one gets 404. All errors
      have the same form as a 400.
    * Nobody knows who the people are, so each id is taken, and kept as it was sent, whatever its
      type.
    * The rate limit is a bucket like that of the account.
"""

from appcues_async.sandbox.connection import SandboxConnection
from appcues_async.sandbox.content import Checklist, Experience, Flow, Group, Tag
from appcues_async.sandbox.cross_loop import Hold
from appcues_async.sandbox.faults import (
    Amend,
    Answer,
    Close,
    Fault,
    Faults,
    Instruction,
    Misstate,
    Raw,
    Reset,
    Stall,
    Truncate,
)
from appcues_async.sandbox.jobs import JOB_NAMES, Job, JobKind, JobPlan
from appcues_async.sandbox.request_log import LoggedRequest
from appcues_async.sandbox.sent import Sent
from appcues_async.sandbox.server import Sandbox
from appcues_async.sandbox.state import Segment

__all__ = [
    "JOB_NAMES",
    "Amend",
    "Answer",
    "Checklist",
    "Close",
    "Experience",
    "Fault",
    "Faults",
    "Flow",
    "Group",
    "Hold",
    "Instruction",
    "Job",
    "JobKind",
    "JobPlan",
    "LoggedRequest",
    "Misstate",
    "Raw",
    "Reset",
    "Sandbox",
    "SandboxConnection",
    "Segment",
    "Sent",
    "Stall",
    "Tag",
    "Truncate",
]
