"""Links in answers lead to https at public addresses, and nowhere else."""

from __future__ import annotations

import socket
from typing import Any, Final

import pytest
from aiohttp import TCPConnector

from appcues_async.settings import Timeouts
from appcues_async.wire.connections import Connections
from appcues_async.wire.links import is_allowed_address, is_safe_link

PUBLIC: Final = "https://api.appcues.com"
HERE: Final = "http://127.0.0.1:8080"

REFUSED_ANYWHERE: Final = (
    "file:///etc/passwd",
    "ftp://files.example.com/x",
    "gopher://x",
    "javascript:x",
    "//files.example.com/x",
    "https://",
    "http://169.254.169.254/latest/meta-data",
    "https://169.254.169.254/x",
    "https://[::ffff:169.254.169.254]/x",
    "https://[64:ff9b::a9fe:a9fe]/x",
    "https://[2002:a9fe:a9fe::]/x",
    "https://[fd00:ec2::254]/x",
    "https://[fe80::1]/x",
    "https://100.100.100.200/x",
    "https://0.0.0.0/x",
    "https://224.0.0.1/x",
    "http://10.0.0.1/x",
    "https://10.0.0.1/x",
    "https://192.168.1.1/x",
    "https://2130706433/x",
    "https://0177.0.0.1/",
    "https://127.1/",
    "https://0x7f.0.0.0x1/",
    "https://user:password@files.example.com/x",
    "https://files.example.com:99999/x",
    "https://files.example.com/\r\nX: y",
    "https://files.example.com /x",
    "https://files.example.com\\@elsewhere/x",
)
HERE_ONLY: Final = (
    "http://127.0.0.1:6379/x",
    "http://[::1]/x",
    "http://localhost/x",
    "https://localhost/x",
    "https://127.0.0.1/x",
    "https://[::ffff:127.0.0.1]/x",
)
TAKEN: Final = (
    "https://files.example.com/x?X-Amz-Signature=a%2Fb",
    "HTTPS://files.example.com/x",
    "https://8.8.8.8/x",
    "https://[2001:4860:4860::8888]/x",
)


@pytest.mark.parametrize("link", REFUSED_ANYWHERE)
@pytest.mark.parametrize("origin", [PUBLIC, HERE])
def test_some_links_are_never_followed(link: str, origin: str) -> None:
    assert not is_safe_link(link, origin)


@pytest.mark.parametrize("link", HERE_ONLY)
def test_a_link_to_this_machine_is_followed_where_the_server_is_on_it(link: str) -> None:
    assert is_safe_link(link, HERE)
    assert not is_safe_link(link, PUBLIC)


@pytest.mark.parametrize("link", TAKEN)
def test_a_link_to_https_at_a_public_address_is_followed(link: str) -> None:
    assert is_safe_link(link, PUBLIC)


@pytest.mark.parametrize("address", ["10.0.0.1", "fe80::1%eth0", "::ffff:10.0.0.1", "::"])
def test_no_address_of_a_private_network_is_allowed(address: str) -> None:
    assert not is_allowed_address(address, loopback=True)


async def _connector(*, loopback: bool) -> tuple[Connections, TCPConnector]:
    connections = Connections(Timeouts(), links_to_loopback=loopback)
    connections.open()
    connector = connections.bare.connector
    assert isinstance(connector, TCPConnector)
    return connections, connector


async def test_a_name_is_judged_by_the_addresses_that_are_connected_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def found(*_: Any, **__: Any) -> list[Any]:
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 443))
            for address in ("8.8.8.8", "169.254.169.254")
        ]

    monkeypatch.setattr(socket, "getaddrinfo", found)
    connections, connector = await _connector(loopback=True)
    with pytest.raises(OSError, match="not public"):
        await connector._resolve_host("metadata.example.com", 443)
    await connections.close(0)


async def test_a_name_for_this_machine_leads_here_only_where_the_server_is_here() -> None:
    connections, connector = await _connector(loopback=True)
    assert {one["host"] for one in await connector._resolve_host("localhost", 443)} <= {
        "127.0.0.1",
        "::1",
    }
    await connections.close(0)
    connections, connector = await _connector(loopback=False)
    with pytest.raises(OSError, match="not public"):
        await connector._resolve_host("localhost", 443)
    await connections.close(0)
