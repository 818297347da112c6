"""`experiences`: pins, mobile, launchpads, banners, flows-v2, embeds and nps."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from cyclopts import App, Parameter

from appcues_async.api.experiences import ExperienceType
from appcues_async.cli.options import DEFAULTS, Id, Options, open_client
from appcues_async.cli.output import as_row, show, show_one

__all__ = ["app"]

app: App = App(
    name="experiences", help="Experiences that are neither flows nor checklists, by type."
)

COLUMNS = ("id", "name", "published", "updated_at")

Type: TypeAlias = Annotated[ExperienceType, Parameter(name="TYPE", help="What they are.")]


@app.command(name="list")
async def list_(type: Type, /, *, options: Options = DEFAULTS) -> None:  # noqa: A002
    """List all experiences of a type.

    Example: appcues-async experiences list pins
    """
    async with open_client(options) as client:
        show(map(as_row, await client.experiences.list(type)), options.output, COLUMNS)


@app.command
async def get(
    type: Type,  # noqa: A002
    experience_id: Id,
    /,
    *,
    options: Options = DEFAULTS,
) -> None:
    """Show one experience.

    Example: appcues-async experiences get pins PIN_ID
    """
    async with open_client(options) as client:
        show_one(as_row(await client.experiences.get(type, experience_id)), options.output)


@app.command
async def publish(
    type: Type,  # noqa: A002
    experience_id: Id,
    /,
    *,
    options: Options = DEFAULTS,
) -> None:
    """Publish an experience.

    Example: appcues-async experiences publish launchpads LAUNCHPAD_ID
    """
    async with open_client(options) as client:
        await client.experiences.publish(type, experience_id)
        show_one({"id": experience_id, "published": True}, options.output)


@app.command
async def unpublish(
    type: Type,  # noqa: A002
    experience_id: Id,
    /,
    *,
    options: Options = DEFAULTS,
) -> None:
    """Unpublish an experience.

    Example: appcues-async experiences unpublish banners BANNER_ID
    """
    async with open_client(options) as client:
        await client.experiences.unpublish(type, experience_id)
        show_one({"id": experience_id, "published": False}, options.output)
