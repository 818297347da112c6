"""The options of every command that sends rows."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final

from attrs import frozen
from cyclopts import Parameter

from appcues_async.bulk.resource import CONCURRENCY, OF_WORKERS
from appcues_async.bulk.spec import OnFailure
from appcues_async.cli.options import Timeout, Wait, at_least, bytes_of
from appcues_async.cli.reading_options import ReadingOptions
from appcues_async.rows.verdict import Check

__all__ = ["BULK_DEFAULTS", "BulkOptions"]


@Parameter(name="*")
@frozen(kw_only=True)
class BulkOptions(ReadingOptions):
    """Options of every command that sends rows.

    Attributes:
        check: How much of each row is checked.
        rejects: A file for the rows that are not sent.
        on_failure: What becomes of failures.
        concurrency: Uploads at a time.
        chunk_bytes: The most bytes of an upload.
        retry_failed: Whether rows that jobs have not taken are sent again.
        ordered: Whether each chunk waits for the job of the one before.
        wait: Whether to wait for the jobs.
        timeout: How long to wait for each.
        journal: Where to keep what was sent, so that a later run takes it up.
        dask: The scheduler of a cluster whose workers read and send.
        share_credentials: Whether they are given the account's key.
    """

    check: Annotated[Check, Parameter(help="Check all of each row, or nothing.")] = "full"
    rejects: Annotated[
        Path | None,
        Parameter(help="Write rows that are not sent, and why, to this file (NDJSON)."),
    ] = None
    on_failure: Annotated[
        OnFailure,
        Parameter(
            help="Fail at the end unless all rows were taken, only report it, or end at a bad row."
        ),
    ] = "raise"
    concurrency: Annotated[
        int | None,
        Parameter(
            validator=at_least(1, 64),
            help=f"Uploads at a time, 1 to 64; {CONCURRENCY} when left out, {OF_WORKERS} with --dask.",
        ),
    ] = None
    chunk_bytes: Annotated[
        str | None, Parameter(help="The most bytes of an upload, such as 500kB, 20MB or 200MB.")
    ] = None
    retry_failed: Annotated[
        bool,
        Parameter(
            negative="",
            show_default=False,
            help="Send rows of failed jobs again, by halves, until the bad ones are found. Not events.",
        ),
    ] = False
    ordered: Annotated[
        bool,
        Parameter(
            negative="", show_default=False, help="Send a chunk after the job of the one before."
        ),
    ] = False
    wait: Wait = True
    timeout: Timeout = None
    journal: Annotated[
        Path | None,
        Parameter(
            help="Keep what was sent in this file; the same command then goes on where it ended."
        ),
    ] = None

    dask: Annotated[
        str | None,
        Parameter(
            help="Read and send on the workers of the Dask cluster with this scheduler, such as "
            "tcp://host:8786."
        ),
    ] = None
    share_credentials: Annotated[
        bool,
        Parameter(
            negative="",
            show_default=False,
            help="Give these workers the account's key, by tls:// or on this machine.",
        ),
    ] = False

    def arguments(self, *, dry_run: bool) -> dict[str, Any]:
        """The options as `client.bulk` takes them.

        Args:
            dry_run: Whether nothing is sent, so that there is no job to wait for.
        """
        return {
            **self.reading(),
            "check": self.check,
            "rejects": self.rejects,
            "on_failure": self.on_failure,
            **({} if self.concurrency is None else {"concurrency": self.concurrency}),
            "chunk_bytes": bytes_of(self.chunk_bytes),
            "ordered": self.ordered,
            "retry_failed": self.retry_failed and not dry_run,
            "wait": self.wait and not dry_run,
            "journal": None if dry_run else self.journal,
        }


BULK_DEFAULTS: Final = BulkOptions()
