# SPDX-License-Identifier: Apache-2.0
"""Who may open the live page: no other site's script, and nobody without the token."""

import hmac
import ipaddress
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

from aiohttp import web


@dataclass(frozen=True)
class Settings:
    """
    Where the page is served, and to whom.

    Attributes:
        host: address to listen on.
        port: 0 takes any that is free.
        token: that a page must know; empty asks for none.
        allow_changes: whether pages may change parameters.

    """

    host: str = '127.0.0.1'
    port: int = 8080
    token: str = ''
    allow_changes: bool = False


def is_loopback(host: str) -> bool:
    """Return whether an address is reached from this machine alone; false for other names."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == 'localhost'


def is_own_host(header: str, settings: Settings) -> bool:
    """
    Return whether a Host header names this server.

    A page of another site whose name was made to lead here (DNS rebinding) sends its own name. An
    address cannot be made to lead elsewhere, and is accepted.
    """
    try:
        name = urlsplit(f'//{header}').hostname or ''
    except ValueError:  # brackets without an address
        return False
    try:
        ipaddress.ip_address(name)
    except ValueError:
        if is_loopback(settings.host):
            return name == 'localhost'
        machine = socket.gethostname().split('.')[0].lower()
        # with any domain behind it: robot, robot.local, robot.lab.example
        return name in ('localhost', settings.host.lower()) or name.split('.')[0] == machine
    return True


def check(request: web.Request, settings: Settings, cookie: str) -> None:
    """
    Check Host header and token of a request.

    Args:
        request: asks for the page or the WebSocket.
        settings: with the token.
        cookie: name of the cookie that holds the token once the page has been opened.

    Raises:
        web.HTTPForbidden: if one is wrong.
        web.HTTPUnauthorized: if there is no token.

    """
    # not request.host, which falls back to this machine's name
    if not is_own_host(request.headers.get('Host', ''), settings):
        raise web.HTTPForbidden(
            text='this name does not belong to this server; use its IP address\n'
        )
    if not settings.token:
        return
    given = request.query.get('token') or request.cookies.get(cookie)
    if not given:
        raise web.HTTPUnauthorized(
            text='open the address that `emotion-perception live` printed: it has the token\n'
        )
    # in constant time, so that the time of an answer does not tell how much was right
    if not hmac.compare_digest(given.encode(errors='replace'), settings.token.encode()):
        raise web.HTTPForbidden(text='the token is wrong; `emotion-perception live` printed it\n')


def check_origin(request: web.Request) -> None:
    """
    Check that a WebSocket is opened by this server's page; browsers let every site's script try.

    Raises:
        web.HTTPForbidden: if it is not.

    """
    own = {f'{scheme}://{request.host}' for scheme in ('http', 'https')}
    if request.headers.get('Origin') not in own:
        raise web.HTTPForbidden(text='only a page of this server may connect\n')
