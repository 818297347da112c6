"""The server: which tools there are, and what clients are told of them."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from mcp.server.mcpserver import MCPServer
from mcp.types import ToolAnnotations

from appcues_async.client import AppcuesClient
from appcues_async.mcp.answers import Folder, Scope
from appcues_async.mcp.changing import Changing
from appcues_async.mcp.jobs import Following
from appcues_async.mcp.reading import Reading
from appcues_async.mcp.uploading import Uploading

__all__ = ["make_server", "serve"]

INSTRUCTIONS: Final = (
    "Tools for one Appcues account. Uploads are done by offline jobs: a tool that answers with a token "
    "has started one, and wait_for_job says when it has ended and how. Tools that change what cannot be "
    "changed back are dry runs unless dry_run is false. Files are named relative to the server's folder."
)

_READS: Final = ToolAnnotations(read_only_hint=True, idempotent_hint=True, open_world_hint=True)
_WRITES: Final = ToolAnnotations(
    read_only_hint=False, destructive_hint=False, idempotent_hint=True, open_world_hint=True
)
_ADDS: Final = ToolAnnotations(
    read_only_hint=False, destructive_hint=False, idempotent_hint=False, open_world_hint=True
)
_DESTROYS: Final = ToolAnnotations(
    read_only_hint=False, destructive_hint=True, idempotent_hint=True, open_world_hint=True
)


def make_server(
    client: AppcuesClient, folder: str | Path = ".", *, preview: bool = False
) -> MCPServer[Any]:
    """Makes a server of an open client, for `run_stdio_async` or any other transport.

    Args:
        client: The account; it stays open for as long as the server runs.
        folder: The folder that files are read from and written to, and nothing outside of it.
        preview: Whether every tool that changes something is a dry run, whatever it is asked for.

    Raises:
        InvalidInput: There is no such folder.
    """
    server: MCPServer[Any] = MCPServer(
        "appcues-async",
        title="Appcues",
        instructions=INSTRUCTIONS,
        version=version("appcues-async"),
        log_level="WARNING",
    )
    scope = Scope(client, Folder.at(Path(folder)), preview)
    for hints, methods in _tools(scope):
        for method in methods:
            about = inspect.getdoc(method)
            server.add_tool(scope.tool(method), description=about, annotations=hints)
    return server


async def serve(client: AppcuesClient, folder: str | Path = ".", *, preview: bool = False) -> None:
    """Serves an account on stdin and stdout until the client is gone.

    Args:
        client: The account, open.
        folder: The folder that files are read from and written to, and nothing outside of it.
        preview: Whether every tool that changes something is a dry run, whatever it is asked for.

    Raises:
        InvalidInput: There is no such folder.
    """
    await make_server(client, folder, preview=preview).run_stdio_async()


def _tools(
    scope: Scope,
) -> list[tuple[ToolAnnotations, list[Callable[..., Awaitable[Any]]]]]:
    read, change, upload, jobs = Reading(scope), Changing(scope), Uploading(scope), Following(scope)
    return [
        (
            _READS,
            [
                read.check_credentials,
                read.list_flows,
                read.get_flow,
                read.list_checklists,
                read.get_checklist,
                read.list_experiences,
                read.get_experience,
                read.list_tags,
                read.get_tag,
                read.list_segments,
                read.get_segment,
                read.get_user_profile,
                read.list_user_events,
                read.get_group_profile,
                read.list_jobs,
                read.get_job,
                jobs.wait_for_job,
                read.query_analytics,
            ],
        ),
        (
            _WRITES,
            [
                change.publish_flow,
                change.unpublish_flow,
                change.publish_checklist,
                change.unpublish_checklist,
                change.publish_experience,
                change.unpublish_experience,
                change.update_segment,
                change.add_group_users,
                upload.add_segment_users,
            ],
        ),
        (
            _ADDS,
            [
                change.create_segment,
                change.track_user_event,
                upload.import_events,
                jobs.start_analytics_export,
                jobs.export_events,
            ],
        ),
        (
            _DESTROYS,
            [
                change.delete_segment,
                change.update_user_profile,
                change.delete_user_profile,
                change.update_group_profile,
                upload.import_profiles,
                upload.remove_segment_users,
                upload.sync_segment,
                upload.sync_profiles,
                jobs.download_job,
                jobs.download_screenshots,
            ],
        ),
    ]
