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
      included. Requests that get 401 or 403 are not counted. A 429 is answered before the body is
      read, and has no Retry-After header unless `retry_after` is given.
    * Errors are JSON even where CSV is asked for.
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
    * The list shows all jobs, oldest first. Times are in UTC.

Segments
    * The ids of a segment are those that were added and not removed since. An empty list of ids
      gets 400. Names must not be blank, and need not be unique.

Users
    * A user exists who has a profile. Events alone make no profile, except in version 1. The
      profile of an unknown user gets 404, the list of their events is empty.
    * Deleting a profile starts a job that also takes the user's events away.
    * Unknown fields of an event are ignored.

Exports
    * The request is checked, conditions by their shape only, and a job runs, but nothing is
      exported or mailed.

Version 1
    * `request_id` is returned if it was given. A request that is wrong in part has no effect at
      all. Unix time is in seconds. Another account gets 404.
"""

from appcues_async.sandbox.faults import (
    Amend,
    Answer,
    Close,
    Fault,
    Faults,
    Instruction,
    Raw,
    Reset,
    Stall,
    Truncate,
)
from appcues_async.sandbox.jobs import JOB_NAMES, Job, JobKind, JobPlan
from appcues_async.sandbox.server import Sandbox
from appcues_async.sandbox.signals import Hold
from appcues_async.sandbox.state import Flow, Segment
from appcues_async.sandbox.traffic import LoggedRequest

__all__ = [
    "JOB_NAMES",
    "Amend",
    "Answer",
    "Close",
    "Fault",
    "Faults",
    "Flow",
    "Hold",
    "Instruction",
    "Job",
    "JobKind",
    "JobPlan",
    "LoggedRequest",
    "Raw",
    "Reset",
    "Sandbox",
    "Segment",
    "Stall",
    "Truncate",
]
