# SPDX-License-Identifier: Apache-2.0
"""The web server of the live page: one page, one WebSocket, and who may open them; no ROS."""

import asyncio
import json
import secrets
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiohttp import WSCloseCode, WSMsgType, web

from emotion_perception.ros.live import access
from emotion_perception.ros.live.access import Settings

if TYPE_CHECKING:
    from emotion_perception.ros.live.node import LiveNode

MAX_CLIENTS, MAX_CONNECTIONS = 8, 64
"""Open pages, and connections of any kind."""

PERIOD_S = 0.1
SEND_LIMIT_S, CHANGE_LIMIT_S = 10.0, 5.0
"""For a page to take what it is sent, and for the node to change a parameter."""

_HEARTBEAT_S = 20.0
_MAX_REQUEST_BYTES = 4096
_BUSY = f'{MAX_CLIENTS} pages are open, and no more are served: close one'
_PAGE = Path(__file__).with_name('page.html')

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class _Refusal(asyncio.Protocol):
    """Answers a connection that is one too many."""

    def connection_made(self, transport: Any) -> None:
        """Answer and close."""
        text = f'{MAX_CONNECTIONS} connections are open, and no more are served\n'
        head = f'HTTP/1.1 503 Service Unavailable\r\nContent-Length: {len(text)}'
        transport.write(f'{head}\r\nConnection: close\r\n\r\n{text}'.encode())
        transport.close()


class LiveServer:
    """
    Serves the page.

    A page asks for each state, so that one that does not read gets nothing, and a slow one skips
    what it missed: nothing is queued for anybody.
    """

    def __init__(self, source: 'LiveNode', settings: Settings):
        """Prepare, without listening; `source` is called from the event loop."""
        self._source, self._settings = source, settings
        self._cookie = ''
        self._clients: set[web.WebSocketResponse] = set()
        self._state = ''
        self._tick = asyncio.Event()
        self._publishing: asyncio.Task[None] | None = None
        self._listener: asyncio.Server | None = None
        app = web.Application(middlewares=[self._guard], client_max_size=_MAX_REQUEST_BYTES)
        app.router.add_get('/', self._page)
        app.router.add_get('/live', self._live)
        # no access log: it would hold tokens
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=2.0)

    @property
    def clients(self) -> int:
        """Number of open pages."""
        return len(self._clients)

    async def start(self) -> int:
        """
        Listen, and return the port.

        Raises:
            OSError: if that is not possible.

        """
        await self._runner.setup()
        server = self._runner.server
        assert server is not None

        def answer() -> asyncio.Protocol:
            return _Refusal() if len(server.connections) >= MAX_CONNECTIONS else server()

        # with `localhost` a free port would be another one for each of its addresses
        host = '127.0.0.1' if self._settings.host == 'localhost' else self._settings.host
        self._listener = await asyncio.get_running_loop().create_server(
            answer, host, self._settings.port
        )
        self._publishing = asyncio.create_task(self._publish())
        port = self._listener.sockets[0].getsockname()[1]
        # browsers keep cookies for all ports of a machine together
        self._cookie = f'emotion_live_{port}'
        return port

    async def wait(self, stopped: asyncio.Event) -> None:
        """Wait for `stopped`; whatever ends the server before is raised."""
        assert self._publishing is not None
        waiting = asyncio.create_task(stopped.wait())
        await asyncio.wait({waiting, self._publishing}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if self._publishing.done():
            self._publishing.result()

    async def stop(self) -> None:
        """Close all pages and the port."""
        if self._publishing is not None:
            self._publishing.cancel()
        if self._listener is not None:
            self._listener.close()
        going = {'code': WSCloseCode.GOING_AWAY, 'message': b'the server was stopped'}
        await asyncio.gather(*(page.close(**going) for page in set(self._clients)))  # type: ignore[arg-type]
        await self._runner.cleanup()

    async def _publish(self) -> None:
        while True:
            if self._clients:
                self._state = json.dumps(self._source.snapshot(), allow_nan=False)
                self._tick.set()
                self._tick = asyncio.Event()
            await asyncio.sleep(PERIOD_S)

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Refuse other sites' pages and who does not know the token."""
        access.check(request, self._settings, self._cookie)
        return await handler(request)

    async def _page(self, request: web.Request) -> web.Response:
        nonce = secrets.token_urlsafe(16)
        response = web.Response(
            text=_PAGE.read_text(encoding='utf-8').replace('{{nonce}}', nonce),
            content_type='text/html',
            headers={
                'Cache-Control': 'no-store',
                'Content-Security-Policy': f"default-src 'none'; script-src 'nonce-{nonce}'; "
                f"style-src 'nonce-{nonce}'; connect-src 'self' ws://{request.host}; "
                "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
                'Cross-Origin-Opener-Policy': 'same-origin',
                'Cross-Origin-Resource-Policy': 'same-origin',
                'Referrer-Policy': 'no-referrer',
                'X-Content-Type-Options': 'nosniff',
            },
        )
        if self._settings.token:
            # the page takes the token out of its address
            response.set_cookie(
                self._cookie, self._settings.token, httponly=True, samesite='Strict'
            )
        return response

    async def _live(self, request: web.Request) -> web.StreamResponse:
        """Answer one page until it closes."""
        # browsers send the cookie of this server for any site's script
        access.check_origin(request)
        page = web.WebSocketResponse(
            timeout=1.0, heartbeat=_HEARTBEAT_S, max_msg_size=_MAX_REQUEST_BYTES, compress=False
        )
        await page.prepare(request)
        if len(self._clients) >= MAX_CLIENTS:
            await page.close(code=WSCloseCode.TRY_AGAIN_LATER, message=_BUSY.encode())
            return page
        self._clients.add(page)
        try:
            hello = {**self._source.hello(), 'allow_changes': self._settings.allow_changes}
            await self._send(page, json.dumps(hello, allow_nan=False))
            shown = 0
            async for message in page:
                asked = _parse(message.data) if message.type == WSMsgType.TEXT else None
                if asked is None:
                    await page.close(code=WSCloseCode.UNSUPPORTED_DATA, message=b'not understood')
                elif 'set' in asked:
                    answer = await self._change(asked['set'], asked.get('value'))
                    await self._send(
                        page, json.dumps({'changed': asked['set'], 'refused': answer})
                    )
                else:
                    await self._tick.wait()
                    if asked.get('picture') is True:
                        number, jpeg = self._source.picture()
                        if number != shown:
                            await self._send(page, jpeg)
                        shown = number
                    await self._send(page, self._state)
        except TimeoutError:
            if request.transport is not None:
                request.transport.abort()
        except ConnectionError:
            pass
        finally:
            self._clients.discard(page)
        return page

    async def _send(self, page: web.WebSocketResponse, data: str | bytes) -> None:
        """
        Send one message.

        Raises:
            TimeoutError: if the page does not read.
            ConnectionError: if it has closed.

        """
        async with asyncio.timeout(SEND_LIMIT_S):
            await (page.send_str(data) if isinstance(data, str) else page.send_bytes(data))

    async def _change(self, name: Any, value: Any) -> str:
        """Change a parameter; return why it was refused, empty if it was not."""
        if not self._settings.allow_changes:
            return 'this page may not change anything: start it with --allow-changes'
        try:
            async with asyncio.timeout(CHANGE_LIMIT_S):
                return await asyncio.wrap_future(self._source.set_parameter(name, value))
        except TimeoutError:
            return 'the node does not answer'


def _parse(text: str) -> dict[str, Any] | None:
    try:
        asked = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return asked if isinstance(asked, dict) else None
