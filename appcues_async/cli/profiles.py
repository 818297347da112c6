"""`profiles`: saved credentials, in the vendor's own file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, TypeAlias

from attrs import frozen
from cyclopts import App, Parameter

from appcues_async.cli.confirm import ask, ask_secret, can_ask, confirm
from appcues_async.cli.options import Interactive, Options, Output, Yes
from appcues_async.cli.output import show, show_one
from appcues_async.cli.profile_file import (
    add_profile,
    check_new,
    edit_profile,
    remove_profile,
    saved_profiles,
)
from appcues_async.errors import InvalidInput
from appcues_async.settings import ENVIRONMENTS, ORIGINS, Credentials

__all__ = ["app"]

app: App = App(
    name="profiles",
    help="Saved credentials in ~/.config/appcues/config.toml, which Appcues' own command reads too.",
)

COLUMNS: Final = ("profile", "account_id", "env", "url", "api_key", "api_secret")
SHOWN: Final = 5
"""Characters that are shown of a credential at the most; of a short one, fewer."""

Name: TypeAlias = Annotated[str, Parameter(name="NAME", help="The profile's name.")]


@Parameter(name="*")
@frozen(kw_only=True)
class ProfileOptions:
    """The keys of a profile, as options.

    Attributes:
        api_key: The API key.
        api_secret: Its secret.
        account_id: The account's id.
        env: Where the account lives.
        base_url: Another server.
        tools_base_url: Another server for the account tools of Appcues' own command.
    """

    api_key: Annotated[
        str | None, Parameter(allow_leading_hyphen=True, help="The API key, of Studio's settings.")
    ] = None
    api_secret: Annotated[
        str | None,
        Parameter(
            allow_leading_hyphen=True,
            help="Its secret; left out, it is asked for, and stays out of the shell's history.",
        ),
    ] = None
    account_id: Annotated[
        str | None, Parameter(allow_leading_hyphen=True, help="The account's id.")
    ] = None
    env: Annotated[
        Literal["prod", "prod-eu"] | None, Parameter(help="Where the account lives.")
    ] = None
    base_url: Annotated[
        str | None, Parameter(help="Another server, which wins over --env; '' takes it out.")
    ] = None
    tools_base_url: Annotated[
        str | None,
        Parameter(help="Another server for the account tools of Appcues' own command."),
    ] = None

    def given(self) -> dict[str, str]:
        """The keys that were given, with their values."""
        keys = ("api_key", "api_secret", "account_id", "env", "base_url", "tools_base_url")
        values = {key: getattr(self, key) for key in keys}
        return {key: value for key, value in values.items() if value is not None}


NOTHING: Final = ProfileOptions()


@app.command
def add(
    name: Name = "default", /, *, profile: ProfileOptions = NOTHING, output: Output = "table"
) -> None:
    """Save the credentials of an account; on a terminal, what is left out is asked for.

    Example: appcues-async profiles add eu --account-id 67890 --env prod-eu
    """
    check_new(name, saved_profiles())
    values = {key: value for key, value in _completed(profile.given()).items() if value}
    _check(name, values)
    add_profile(name, values)
    show_one(_row(name, saved_profiles()[name]), output)


@app.command(name="list")
def list_(*, output: Output = "table") -> None:
    """List all profiles, with the beginnings of their credentials.

    Example: appcues-async profiles list -o json
    """
    rows = [_row(name, values) for name, values in sorted(saved_profiles().items())]
    show(rows, output, COLUMNS)


@app.command
def edit(name: Name, /, *, profile: ProfileOptions = NOTHING, output: Output = "table") -> None:
    """Change a profile; what is left out keeps its value.

    Example: appcues-async profiles edit eu --account-id 99999
    """
    given = profile.given()
    if not given:
        raise InvalidInput("nothing is given to change; give at least one of the options")
    if (saved := saved_profiles().get(name)) is not None:
        _check(name, {**saved, **given})
    edit_profile(name, {key: value or None for key, value in given.items()})
    show_one(_row(name, saved_profiles()[name]), output)


@app.command
def remove(
    name: Name,
    /,
    *,
    yes: Yes = False,
    interactive: Interactive = False,
    output: Output = "table",
) -> None:
    """Remove a profile; the credentials themselves stay valid.

    Example: appcues-async profiles remove eu --yes
    """
    confirm(f"remove profile {name}", Options(interactive=interactive), yes=yes)
    remove_profile(name)
    show_one({"profile": name, "removed": True}, output)


def _completed(given: Mapping[str, str]) -> dict[str, str]:
    """Asks for what is left out.

    Raises:
        InvalidInput: Nobody can be asked.
    """
    questions = {
        "api_key": ("API key:", ask),
        "api_secret": ("API secret:", ask_secret),
        "account_id": ("Account id:", ask),
        "env": ("Environment, prod or prod-eu [prod]:", ask),
    }
    missing = [key for key in questions if key not in given]
    needed = [f"--{key.replace('_', '-')}" for key in missing if key != "env"]
    if needed and not can_ask():
        raise InvalidInput(f"{', '.join(needed)} must be given, since nobody can be asked here")
    if not needed:
        return dict(given)
    answers = {key: question(text) for key in missing for text, question in [questions[key]]}
    return {**given, **answers}


def _check(name: str, values: Mapping[str, Any]) -> None:
    """Makes sure that a client can be made of a profile.

    Raises:
        InvalidInput: It cannot.
    """
    if not name.strip() or not name.isprintable():
        raise InvalidInput(f"NAME is {name!r}; a profile is called by text that can be seen")
    env = values.get("env") or "prod"
    if env not in ENVIRONMENTS:
        raise InvalidInput(f"--env is {env!r}; it must be prod or prod-eu")
    Credentials.of(
        values.get("account_id") or "",
        values.get("api_key") or "",
        values.get("api_secret") or "",
        region=ENVIRONMENTS[env],
        base_url=values.get("base_url") or None,
    )


def _row(name: str, values: Mapping[str, Any]) -> dict[str, Any]:
    env = values.get("env") or "prod"
    return {
        "profile": name,
        "account_id": values.get("account_id"),
        "env": env,
        "url": values.get("base_url") or ORIGINS.get(ENVIRONMENTS.get(str(env).lower(), "")),
        "api_key": _shortened(values.get("api_key")),
        "api_secret": _shortened(values.get("api_secret")),
    }


def _shortened(secret: object) -> str:
    """As much of a credential as tells it from others."""
    text = str(secret or "")
    return text[: min(SHOWN, len(text) // 4)] + "…" if text else ""
