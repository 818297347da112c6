"""Settings: credentials, region and proxy; timeouts, retries and pace come from `policies.py`.

Every value is checked where it is made, and an unfit one raises `InvalidInput` that names the value,
the rule and the fix.
"""

from __future__ import annotations

import base64
import ipaddress
import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal, NoReturn, get_args
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from attrs import Attribute, field, frozen

from appcues_async.errors import InvalidInput
from appcues_async.policies import Pace, PollPolicy, RetryPolicy, Timeouts
from appcues_async.text import Secret, type_in_words

__all__ = [
    "Credentials",
    "OnUnknown",
    "Pace",
    "PollPolicy",
    "Proxy",
    "Region",
    "RetryPolicy",
    "Timeouts",
    "check_on_unknown",
    "fix_of_origins",
    "read_profiles",
]

Region = Literal["us", "eu"]
"""Where the account lives; a key of one region does not work in the other."""

OnUnknown = Literal["reconcile", "raise", "resend"]
"""The course of action when nothing says whether an unsafe request was applied.

`reconcile` finds out where the API lets one find out, and raises `OutcomeUnknown` where it does not;
`raise` asks nothing and raises; `resend` sends again, which may apply it twice.
"""

ORIGINS: Final[Mapping[str, str]] = {
    "us": "https://api.appcues.com",
    "eu": "https://api.eu.appcues.com",
}
_ACTIVITY_ORIGINS: Final[Mapping[str, str]] = {
    # The EU host of the v1 activity endpoint is another one (the vendor's mobile SDKs use it).
    ORIGINS["eu"]: "https://api.eu.appcues.net",
}
ENVIRONMENTS: Final[Mapping[str, Region]] = {"prod": "us", "prod-eu": "eu"}
PROFILES: Final = Path("~/.config/appcues/config.toml")
_SECRETS: Final = frozenset({"api_key", "api_secret"})
_KNOWN: Final = ("account_id", "api_key", "api_secret", "base_url", "env", "profile")
"""The keys of a profile; as variables, in capitals after `APPCUES_`."""


def _account_id(_: object, __: Attribute[Any], value: Any) -> None:
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z0-9_-]{1,128}", value):
        raise InvalidInput(
            f"account_id is {value!r}; it must be text of letters, digits, '-' and '_', "
            "as on the account page of Appcues Studio"
        )


def as_secret(value: Any) -> Any:
    """Makes a secret of text; leaves the rest to be refused."""
    return Secret(value) if isinstance(value, str) else value


def _secret(_: object, attribute: Attribute[Any], value: Any) -> None:
    # The value itself stays out of the message.
    if not isinstance(value, str):
        raise InvalidInput(f"{attribute.name} is {type_in_words(value)}; it must be text")
    if not value:
        raise InvalidInput(f"{attribute.name} is empty; create a key in Appcues Studio, settings")
    if not value.isprintable() or " " in value:
        raise InvalidInput(
            f"{attribute.name} holds a space, a line break or a control character; "
            "copy it again without what surrounds it"
        )
    if attribute.name == "api_key" and ":" in value:
        raise InvalidInput(
            "api_key holds ':'; give key and secret apart, as api_key and api_secret"
        )


def origin_of(base_url: str) -> str:
    """Checks the address of a server and takes off its last slash.

    Args:
        base_url: Such as `https://api.appcues.com`; `http` is for loopback only.

    Raises:
        InvalidInput: It is no such address.
    """
    fix = "give it as https://host[:port]"
    if not isinstance(base_url, str):
        raise InvalidInput(f"base_url is {type_in_words(base_url)}; {fix}")
    if "@" in base_url:
        raise InvalidInput(f"base_url holds credentials; {fix} and the key as api_key, api_secret")
    if not base_url.isprintable() or re.search(r"[\s\\%]", base_url):
        raise InvalidInput(f"base_url {base_url!r} holds what no host can, as a space; {fix}")
    try:
        parts = urlsplit(base_url)
        host, port = parts.hostname, parts.port
        (host or "").encode("idna")
    except ValueError as error:
        raise InvalidInput(f"base_url {base_url!r} is no address ({error}); {fix}") from None
    if parts.scheme not in {"http", "https"} or not host:
        raise InvalidInput(f"base_url {base_url!r} is no http(s) address; {fix}")
    if parts.scheme == "http" and not is_loopback(host):
        raise InvalidInput(
            f"base_url {base_url!r} would send credentials unencrypted; "
            "http is for loopback only, use https"
        )
    if parts.query or parts.fragment or parts.path.strip("/"):
        raise InvalidInput(f"base_url {base_url!r} goes beyond the host; {fix}")
    # One server has one origin, however it is written: clients of it share a throttle by it.
    host = f"[{host}]" if ":" in host else host
    usual = port in {None, {"http": 80, "https": 443}[parts.scheme]}
    return f"{parts.scheme}://{host}" + ("" if usual else f":{port}")


def fix_of_origins(kept: str, given: str) -> str:
    """Says what to do about a file that was kept for another account.

    Args:
        kept: The server that it was kept for.
        given: The server of now.
    """
    hosts = [urlsplit(origin).hostname or "" for origin in (kept, given)]
    if kept != given and any(map(is_loopback, hosts)):
        return "a sandbox that begins anew is another account: delete the file, or name another"
    return "name another file"


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, as far as its name or address shows."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@frozen
class Proxy:
    """A proxy that requests go through.

    Attributes:
        url: Its address, without credentials.
        authorization: The value of its `Proxy-Authorization` header, if it wants one; never shown.
    """

    url: str
    authorization: Secret | None = field(default=None, repr=False)

    @classmethod
    def of(cls, text: str, origin: str) -> Proxy | None:
        """Reads a proxy's address, or finds it in the environment.

        Args:
            text: Such as `http://user:password@host:3128`; `env` stands for what HTTPS_PROXY and
                NO_PROXY say of the origin.
            origin: The server that is to be reached.

        Raises:
            InvalidInput: It is no such address.
        """
        named = "proxy"
        if text == "env":
            target = urlsplit(origin)
            text, named = getproxies().get(target.scheme, ""), f"{target.scheme.upper()}_PROXY"
            if not text or proxy_bypass(target.netloc):
                return None
            text = text if "://" in text else f"http://{text}"
        try:
            parts = urlsplit(text)
            host, port = parts.hostname, parts.port
        except ValueError:
            parts, host, port = urlsplit(""), None, None
        if parts.scheme not in {"http", "https"} or not host or parts.path.strip("/"):
            # The value itself stays out of the message: it may hold a password.
            raise InvalidInput(
                f"{named} is no http proxy; give it as http://[user:password@]host:port"
            )
        host = f"[{host}]" if ":" in host else host
        authorization = None
        if parts.username is not None:
            pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
            authorization = Secret("Basic " + base64.b64encode(pair).decode("ascii"))
        return cls(f"{parts.scheme}://{host}" + ("" if port is None else f":{port}"), authorization)


@frozen(kw_only=True)
class Credentials:
    """One account, the key to it, and the server that both belong to.

    Attributes:
        account_id: The Appcues account id.
        api_key: The API key; never shown.
        api_secret: Its secret; never shown.
        origin: The server's address.
    """

    account_id: str = field(validator=_account_id)
    api_key: Secret = field(converter=as_secret, validator=_secret, repr=False)
    api_secret: Secret = field(converter=as_secret, validator=_secret, repr=False)
    origin: str

    @classmethod
    def of(
        cls,
        account_id: str,
        api_key: str,
        api_secret: str,
        *,
        region: str = "us",
        base_url: str | None = None,
    ) -> Credentials:
        """Checks and keeps what names an account; `base_url` wins over `region`.

        Raises:
            InvalidInput: A part is missing or malformed.
        """
        # Before anything can go wrong, for the sake of those who write down a frame's variables.
        api_key, api_secret = as_secret(api_key), as_secret(api_secret)
        if region not in get_args(Region):
            raise InvalidInput(f"region is {region!r}; it must be 'us' or 'eu'")
        return cls(
            account_id=account_id,
            api_key=api_key,
            api_secret=api_secret,
            origin=origin_of(ORIGINS[region] if base_url is None else base_url),
        )

    @property
    def authorization(self) -> Secret:
        """The value of the HTTP Basic `Authorization` header."""
        pair = f"{self.api_key}:{self.api_secret}".encode()
        return Secret("Basic " + base64.b64encode(pair).decode("ascii"))

    @property
    def activity_origin(self) -> str:
        """The address of the server that takes v1 activity."""
        return _ACTIVITY_ORIGINS.get(self.origin, self.origin)

    def __getstate__(self) -> NoReturn:
        raise TypeError("Credentials are not pickled; make them anew where they are needed")

    @classmethod
    def from_env(cls, environment: Mapping[str, str] | None = None) -> Credentials:
        """Reads the environment variables of the vendor's own command.

        APPCUES_ACCOUNT_ID, APPCUES_API_KEY, APPCUES_API_SECRET, APPCUES_ENV (prod or prod-eu),
        APPCUES_BASE_URL. What is not set comes from the profile file, from the profile that
        APPCUES_PROFILE names or else from `default`. A base URL, wherever it is from, wins over the
        environment's name.

        Args:
            environment: Instead of the process's own.

        Raises:
            InvalidInput: A variable is missing or malformed, or the named profile does not exist.
        """
        source = os.environ if environment is None else environment
        variables = _known({name: source.get(f"APPCUES_{name.upper()}") for name in _KNOWN})
        # Trackers of errors write down the variables of every frame, and this one holds the key.
        del source, environment
        named = variables["profile"]
        profiles = read_profiles(PROFILES)
        if named and named not in profiles:
            raise InvalidInput(_no_such_profile(named, profiles, PROFILES))
        profile = profiles.get(named or "default", {})
        given = {name: value or profile.get(name) for name, value in variables.items()}
        if missing := _missing(given):
            names = ", ".join(f"APPCUES_{name.upper()}" for name in missing)
            lacks = f"the environment gives no {', '.join(missing)}"
            raise InvalidInput(f"{lacks}; set {names} or add a profile to {PROFILES}")
        return cls._from_parts(given)

    @classmethod
    def from_profile(cls, name: str, path: Path | None = None) -> Credentials:
        """Reads one profile of the vendor's own command, and nothing else.

        Args:
            name: The profile's name.
            path: The file, instead of ~/.config/appcues/config.toml.

        Raises:
            InvalidInput: No such file or profile, or it is incomplete.
        """
        file = path or PROFILES
        profiles = read_profiles(file)
        if name not in profiles:
            raise InvalidInput(_no_such_profile(name, profiles, file))
        if missing := _missing(profiles[name]):
            raise InvalidInput(
                f"profile {name!r} gives no {', '.join(missing)}; add what is missing to {file}"
            )
        return cls._from_parts(profiles[name])

    @classmethod
    def _from_parts(cls, given: Mapping[str, Any]) -> Credentials:
        env = given["env"] or "prod"
        # The vendor's command takes the variable in any case.
        region = ENVIRONMENTS.get(env.lower()) if isinstance(env, str) else None
        if region is None:
            raise InvalidInput(
                f"APPCUES_ENV (env in a profile) is {env!r}; it must be prod or prod-eu"
            )
        return cls.of(
            given["account_id"],
            given["api_key"],
            given["api_secret"],
            region=region,
            base_url=given["base_url"] or None,
        )


def _known(values: Mapping[str, Any]) -> dict[str, Any]:
    """Picks the known keys of an environment or a profile, and guards its secrets."""
    known = {name: values.get(name) for name in _KNOWN}
    return known | {name: as_secret(known[name]) for name in _SECRETS}


def _missing(given: Mapping[str, Any]) -> list[str]:
    return [name for name in ("account_id", "api_key", "api_secret") if not given[name]]


def read_profiles(path: Path) -> Mapping[str, Mapping[str, Any]]:
    """Reads the profiles of the vendor's command by name; none where there is no file.

    Args:
        path: The file; a byte order mark before its first line is no part of it.

    Returns:
        The known keys of each, None where a key is left out; secrets are `Secret`s.

    Raises:
        InvalidInput: It cannot be read, or is no such file.
    """
    profiles, refusal = _try_profiles(path)
    if refusal is not None:
        # Raised here, where no variable and no earlier error holds what the file says.
        raise InvalidInput(refusal)
    return profiles


def _try_profiles(path: Path) -> tuple[Mapping[str, Mapping[str, Any]], str | None]:
    """Reads the profiles by name, or tells why they cannot be read."""
    try:
        text = path.expanduser().read_text(encoding="utf-8-sig")
        profiles = tomllib.loads(text).get("profiles", {})
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        # A decode error's text may quote the line, and the line may hold the secret.
        position = re.search(r"at line \d+, column \d+", str(error))
        where = f" ({position[0]})" if position else ""
        return {}, f"{path} is not valid TOML{where}; correct it, or add the profile anew"
    except (FileNotFoundError, NotADirectoryError, RuntimeError):
        # The last says that this user has no home, as in some containers.
        return {}, None
    except OSError as error:
        return {}, f"{path} cannot be read: {error.strerror}"
    if isinstance(profiles, dict) and all(isinstance(one, dict) for one in profiles.values()):
        return {name: _known(one) for name, one in profiles.items()}, None
    return {}, f"{path} has no [profiles.NAME] tables; write each profile as one"


def _no_such_profile(name: str, profiles: Mapping[str, Any], path: Path) -> str:
    known = ", ".join(sorted(profiles)) or "none"
    return f"there is no profile {name!r} in {path}; there are: {known}"


def check_on_unknown(on_unknown: object) -> None:
    """Checks that it is one of the ways to deal with unknown outcomes.

    Raises:
        InvalidInput: It is not.
    """
    if on_unknown not in get_args(OnUnknown):
        raise InvalidInput(
            f"on_unknown is {on_unknown!r}; it must be 'reconcile', 'raise' or 'resend'"
        )
