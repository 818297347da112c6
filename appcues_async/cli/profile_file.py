"""Changes profiles in the vendor's own file, and loses nothing else in it."""

from __future__ import annotations

import os
import tempfile
import tomllib
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn, TypeAlias, cast

from appcues_async.cli.failures import CONFIGURATION, CommandFailed
from appcues_async.settings import PROFILES, read_profiles

try:
    import fcntl
except ImportError:  # pragma: no cover - Windows
    fcntl = None  # type: ignore[assignment,unused-ignore]

__all__ = ["add_profile", "check_new", "edit_profile", "remove_profile", "saved_profiles"]

Table: TypeAlias = MutableMapping[str, Any]


def saved_profiles() -> Mapping[str, Mapping[str, Any]]:
    """Reads all profiles with all their keys, those that this command does not know included.

    Raises:
        InvalidInput: The file cannot be read, or holds no profiles.
    """
    # Says in words what is wrong with the file, and shows nothing of it.
    read_profiles(PROFILES)
    return cast("Mapping[str, Mapping[str, Any]]", tomllib.loads(_text()).get("profiles", {}))


def add_profile(name: str, values: Mapping[str, str]) -> None:
    """Adds a profile.

    Raises:
        InvalidInput: The file cannot be read.
        CommandFailed: There is one of that name, or the file cannot be written.
    """

    def add(profiles: Table) -> None:
        check_new(name, profiles)
        profiles[name] = dict(values)

    _change(add)


def check_new(name: str, profiles: Mapping[str, Any]) -> None:
    """Refuses the name of a profile that exists.

    Raises:
        CommandFailed: It does.
    """
    if name in profiles:
        _refuse(f"there is a profile {name!r}; change it with: profiles edit {name}")


def edit_profile(name: str, values: Mapping[str, str | None]) -> None:
    """Sets keys of a profile; None takes a key out, and the others stay as they are.

    Raises:
        InvalidInput: The file cannot be read.
        CommandFailed: There is no such profile, or the file cannot be written.
    """

    def edit(profiles: Table) -> None:
        profile = _existing(name, profiles)
        for key, value in values.items():
            if value is not None:
                profile[key] = value
            else:
                profile.pop(key, None)

    _change(edit)


def remove_profile(name: str) -> None:
    """Removes a profile.

    Raises:
        InvalidInput: The file cannot be read.
        CommandFailed: There is no such profile, or the file cannot be written.
    """

    def remove(profiles: Table) -> None:
        _existing(name, profiles)
        del profiles[name]

    _change(remove)


def _existing(name: str, profiles: Table) -> Table:
    if name not in profiles:
        known = ", ".join(sorted(profiles)) or "none"
        _refuse(f"there is no profile {name!r} in {PROFILES}; there are: {known}")
    return cast("Table", profiles[name])


def _path() -> Path:
    # A link to the file is followed, so that it is not replaced by a file.
    return PROFILES.expanduser().resolve()


def _text() -> str:
    try:
        return _path().read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return ""


def _change(change: Callable[[Table], None]) -> None:
    """Changes the profiles; comments, order and whatever else the file holds stay as they are.

    Raises:
        InvalidInput: The file cannot be read.
        CommandFailed: The change is refused, or the file cannot be written.
    """
    path = _path()
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _locked(path.parent):
            read_profiles(PROFILES)
            text = _text()
            changed = _changed_text(text, change)
            if changed is None:
                _refuse(f"{PROFILES} is written in a way that cannot be changed safely: edit it")
            _replace(path, changed)
    except OSError as error:
        _refuse(f"{PROFILES} cannot be written: {error.strerror or type(error).__name__}")


def _changed_text(text: str, change: Callable[[Table], None]) -> str | None:
    """Makes the change in the text; None where that would change something else as well."""
    # It takes its time to import, and most commands do without it.
    import tomlkit  # noqa: PLC0415
    from tomlkit.exceptions import TOMLKitError  # noqa: PLC0415

    expected = tomllib.loads(text)
    change(expected.setdefault("profiles", {}))
    try:
        document = tomlkit.parse(text)
        if "profiles" not in document:
            document["profiles"] = tomlkit.table(is_super_table=True)
        change(cast("Table", document["profiles"]))
        changed = tomlkit.dumps(document)
        return changed if tomllib.loads(changed) == expected else None
    except (TOMLKitError, tomllib.TOMLDecodeError):
        return None


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Lets one command at a time change the file."""
    if fcntl is None:  # pragma: no cover - Windows
        yield
        return
    opened = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX)
        yield
    finally:
        os.close(opened)


def _replace(path: Path, text: str) -> None:
    """Writes the file whole or not at all; nobody but its owner may read it."""
    # mkstemp makes files of mode 0600.
    opened, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(opened, "w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise


def _refuse(message: str) -> NoReturn:
    raise CommandFailed(message, kind="InvalidInput", exit_code=CONFIGURATION)
