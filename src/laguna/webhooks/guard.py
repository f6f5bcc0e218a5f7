"""Keeps deliveries off private networks: a name is resolved once, checked, and that very address is connected to."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Iterable
from typing import cast

import httpcore


class ForbiddenAddressError(httpcore.ConnectError):
    """The endpoint's host is, or resolves to, an address of a private network."""


class GuardedBackend(httpcore.AsyncNetworkBackend):
    """Connects like the ordinary backend, but only to public addresses unless private ones are allowed."""

    def __init__(self, *, allow_private: bool) -> None:
        self._ordinary = cast(httpcore.AsyncNetworkBackend, httpcore.AnyIOBackend())
        self._allow_private = allow_private

    async def sleep(self, seconds: float) -> None:
        await self._ordinary.sleep(seconds)

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the backend's interface
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        addresses = await _addresses(host, port)
        private = [address for address in addresses if not is_public(address)]
        if private and not self._allow_private:
            raise ForbiddenAddressError(
                f"{host} is on a private network ({private[0]}); LAGUNA_WEBHOOK_ALLOW_PRIVATE=true allows that"
            )
        last: httpcore.ConnectError | httpcore.ConnectTimeout | None = None
        for address in addresses:
            try:
                return await self._ordinary.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                last = error
        raise last or httpcore.ConnectError(f"{host} has no address")


def is_public(address: str) -> bool:
    """Whether an IP address is reachable for everybody: not loopback, private, link-local, multicast, reserved."""
    ip = ipaddress.ip_address(address.split("%")[0])
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    ip = mapped or ip
    return ip.is_global and not ip.is_multicast


async def _addresses(host: str, port: int) -> list[str]:
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise httpcore.ConnectError(f"{host} can't be resolved: {error}") from error
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))
