"""Files behind URLs: objects of S3, GCS and Azure, files of web servers, whatever fsspec opens.

A URL is one object, a glob, or a folder. Its objects are listed before a run begins, in an order that
is the same each time; `store_reads.py` reads them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final, TypeGuard

from attrs import Factory, field, frozen

from appcues_async.errors import InvalidInput
from appcues_async.rows.store_errors import Wait, retried
from appcues_async.text import type_in_words

__all__ = [
    "StoredObject",
    "Stores",
    "UrlSource",
    "check_storage_options",
    "is_store_url",
    "is_url",
    "public_name",
]

_URL: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://[^\n]*")
_WEB: Final = frozenset({"http", "https"})
_CONTAINER: Final = frozenset({"abfs", "abfss", "adl", "az", "wasb", "wasbs"})
"""Schemes whose `@` stands between a container and its account."""
_SIGNED: Final = re.compile(r"[?&](?=[^?]*(sig|token|credential)[a-z-]*=)", re.IGNORECASE)
_TAGS: Final = ("ETag", "etag", "Content-MD5", "Digest", "Last-Modified", "mtime", "created")
"""Tags of an object's content, the most exact first."""
_LOCAL: Final = frozenset({"file", "local"})
_PACKAGES: Final = {
    **dict.fromkeys(("s3", "s3a"), ("s3fs", "cloud")),
    **dict.fromkeys(("gs", "gcs"), ("gcsfs", "gcs")),
    **dict.fromkeys(_CONTAINER, ("adlfs", "azure")),
}
"""The package that a scheme needs, and the extra that brings it."""


def is_url(source: object) -> TypeGuard[str]:
    """Whether a source is a URL, not a path."""
    return isinstance(source, str) and _URL.match(source) is not None


def is_store_url(source: object) -> TypeGuard[str]:
    """Whether a source is a URL of an object, which nothing else could mean."""
    return is_url(source) and _scheme_of(source) not in _WEB


def check_storage_options(options: object) -> Mapping[str, Any]:
    """Makes sure that storage options are names and values; none of them is shown.

    Raises:
        InvalidInput: They are something else.
    """
    if options is None:
        return {}
    if not isinstance(options, Mapping) or not all(isinstance(name, str) for name in options):
        raise InvalidInput(
            f"storage_options is {type_in_words(options)}; give a mapping of names and values, such "
            'as {"profile": "prod"}'
        )
    return options


def _scheme_of(url: str) -> str:
    return url.partition("://")[0].lower()


def public_name(url: str) -> str:
    """A URL without what opens it: no user, no password, no signature."""
    scheme, rest = _scheme_of(url), url.partition("://")[2]
    if scheme in _WEB:
        rest = re.split("[?#]", rest, maxsplit=1)[0]
    elif found := _SIGNED.search(rest):
        rest = rest[: found.start()]
    authority, slash, path = rest.partition("/")
    if scheme not in _CONTAINER or ":" in authority.rpartition("@")[0]:
        authority = authority.rpartition("@")[2]
    name = f"{scheme}://{authority}{slash}{path}"
    return name.encode("utf-8", "backslashreplace").decode()


@frozen
class UrlSource:
    """A URL as it was given.

    Attributes:
        url: The URL.
        options: What fsspec opens its store with.
        name: The URL without what opens it.
    """

    url: str = field(repr=False)
    options: Mapping[str, Any] = field(factory=dict, repr=False, eq=False)
    name: str = field(init=False, default=Factory(lambda self: public_name(self.url), True))

    def __str__(self) -> str:
        return self.name

    def objects(self, stores: Stores, wait: Wait) -> list[StoredObject | Path]:
        """Lists what it stands for; a path for what is on a disk of this machine.

        Args:
            stores: Opens its store.
            wait: Waits so many seconds before another try, unless the run has ended.

        Raises:
            InvalidInput: There is nothing, or it cannot be listed.
        """
        if _scheme_of(self.url) in _LOCAL and (file := _plain_path(self.url)) is not None:
            return [file]
        store, path = stores.open(self)
        found = retried(lambda: self._list(store, path), self.name, wait)
        objects = [self._object(store, key, info) for key, info in found]
        if _scheme_of(self.url) in _LOCAL:
            return [Path(str(one.key)) for one in objects]
        return list(objects)

    def _list(self, store: Any, path: str) -> Iterable[tuple[str, Mapping[str, Any]]]:
        # A listing of an earlier run says nothing of what is there now.
        store.invalidate_cache()
        web = _scheme_of(self.url) in _WEB
        if "*" in path.partition("?")[0] or (not web and re.search(r"[?\[]", path)):
            return self._matching(store, path)
        if web or not self.url.endswith("/"):
            info = store.info(path)
            if info.get("type") != "directory":
                return [(path, info)]
        return self._in_folder(store, path)

    def _matching(self, store: Any, path: str) -> list[tuple[str, Mapping[str, Any]]]:
        if "*" not in path and store.exists(path):
            # Names of objects may hold what stands for others elsewhere.
            return [(path, store.info(path))]
        found = list(_files(store.glob(path, detail=True)))
        if not found:
            raise InvalidInput(f"{self.name} matches no file; check the bucket and the pattern")
        return found

    def _in_folder(self, store: Any, path: str) -> list[tuple[str, Mapping[str, Any]]]:
        found = [
            (key, info)
            for key, info in _files(store.find(path, detail=True))
            if not re.search("(^|/)[._]", key[len(path.rstrip("/")) :])
        ]
        if not found:
            raise InvalidInput(
                f"{self.name} holds no file with rows; files that are empty, or begin with a dot or an "
                "underscore, are left out"
            )
        return found

    def _object(self, store: Any, key: str, info: Mapping[str, Any]) -> StoredObject:
        whole = key if _scheme_of(key) in _WEB else store.unstrip_protocol(key)
        name, size = public_name(whole), info.get("size")
        if size is None or info.get("partial") is False:
            raise InvalidInput(
                f"{name} can be read from its beginning only, since its server tells no size or takes "
                "no ranges; download it, and give the path of the file"
            )
        return StoredObject(name=name, size=int(size), tags=_tags_of(info), key=key, store=store)


@frozen(kw_only=True, eq=False)
class StoredObject:
    """An object of a store, as it was when it was listed.

    Attributes:
        name: Its URL, without what opens it.
        size: Its bytes.
        tags: What the store says of its content, the most exact first: its ETag, a digest, times.
        key: Its name in the store.
        store: The fsspec file system.
    """

    name: str
    size: int
    tags: Mapping[str, str] = field(repr=False)
    key: str = field(repr=False)
    store: Any = field(repr=False)

    @property
    def stamp(self) -> tuple[int, str]:
        """A value that changes with its content: its size, and its ETag or what comes closest."""
        return self.size, next(iter(self.tags.values()), "")

    @property
    def path(self) -> Path:
        """Its name as a path, for its suffixes."""
        return Path(self.name)

    def check(self, info: Mapping[str, Any]) -> None:
        """Makes sure that it is what it was.

        Args:
            info: What the store says of it now.

        Raises:
            InvalidInput: It has changed.
        """
        now = _tags_of(info)
        # Some stores say more of one object than of each in a listing.
        told = next((name for name in self.tags if name in now), None)
        if info.get("size") != self.size or (told and now[told] != self.tags[told]):
            raise InvalidInput(f"{self.name} has changed since the run began; run it again")


def _tags_of(info: Mapping[str, Any]) -> dict[str, str]:
    found = {name: info[name] for name in _TAGS if info.get(name) is not None}
    return {
        name: str(value.timestamp() if isinstance(value, datetime) else value).replace('"', "")
        for name, value in found.items()
    }


def _files(found: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The files of a listing, in the order of their names; stores mark folders by empty objects."""
    for key in sorted(found):
        info = found[key]
        if info.get("type") != "directory" and info.get("size") != 0:
            yield key, info


def _plain_path(url: str) -> Path | None:
    """The path of a `file://` URL that is one file; None for a glob or a folder."""
    text = re.sub("^[a-z]+://(localhost(?=/))?", "", url, flags=re.IGNORECASE)
    is_file = not (text.endswith(os.sep) or re.search(r"[*?\[]", text) or Path(text).is_dir())
    return Path(text) if is_file or Path(text).is_file() else None


class Stores:
    """The stores of one run; each is opened once, however many URLs it has."""

    def __init__(self) -> None:
        """Opens none yet."""
        self._open: dict[tuple[str, str], Any] = {}

    def open(self, source: UrlSource) -> tuple[Any, str]:
        """Opens the store of a URL.

        Args:
            source: The URL.

        Returns:
            The fsspec file system, and the URL's path in it.

        Raises:
            InvalidInput: What opens it is not installed, or its options are refused.
        """
        scheme = _scheme_of(source.url)
        package, extra = _PACKAGES.get(scheme, ("fsspec", "cloud"))
        try:
            import fsspec  # noqa: PLC0415 - an extra

            try:
                kind = fsspec.get_filesystem_class(scheme)
            except ValueError:
                raise InvalidInput(
                    f"source is {source.name}, and fsspec knows no {scheme}://; give a path, or a URL "
                    "such as s3://bucket/users.csv"
                ) from None
            options = {**kind._get_kwargs_from_urls(source.url), **source.options}
            key = (scheme, repr(sorted(options.items())))
            if key not in self._open:
                # One of our own, so that neither listings nor credentials outlive the run.
                self._open[key] = kind(**options, skip_instance_cache=True)
            return self._open[key], kind._strip_protocol(source.url)
        except ImportError:
            raise InvalidInput(
                f"source is {source.name}, and {scheme}:// needs {package}; "
                f"pip install 'appcues-async[{extra}]' brings it"
            ) from None
        except (TypeError, ValueError) as error:
            if isinstance(error, InvalidInput):
                raise
            raise InvalidInput(
                f"{source.name} cannot be opened: {type(error).__name__}; check its storage_options"
            ) from None
