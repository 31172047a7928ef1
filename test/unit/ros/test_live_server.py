# SPDX-License-Identifier: Apache-2.0
"""The server of the live page: who may open it, what a page gets, and how many there may be."""

import asyncio
import json
import re
from concurrent.futures import Future
from contextlib import asynccontextmanager

import pytest

aiohttp = pytest.importorskip('aiohttp')

from emotion_perception.ros.live.access import Settings, is_own_host  # noqa: E402
from emotion_perception.ros.live.server import (  # noqa: E402
    MAX_CLIENTS,
    MAX_CONNECTIONS,
    LiveServer,
)

TOKEN = 'a-token-of-the-test'
ASK = {'picture': False}


class _FakeSource:
    """Counts states, and has a picture of `size` bytes for each."""

    def __init__(self, size=0):
        self.states = self.pictures = 0
        self.size, self.values = size, {}
        self.answer = ''

    def hello(self):
        return {'hello': {}}

    def snapshot(self):
        self.states += 1
        return {'number': self.states}

    def picture(self):
        self.pictures += 1
        return (self.states, bytes(self.size)) if self.size else (0, b'')

    def set_parameter(self, name, value):
        self.values[name] = value
        future = Future()
        if self.answer is not None:
            future.set_result(self.answer)
        return future


def live(test, source=None, **settings):
    """Run a test with a session, the server's address and the server."""

    @asynccontextmanager
    async def server():
        server = LiveServer(source or _FakeSource(), Settings(port=0, **settings))
        port = await server.start()
        try:
            async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
                yield session, f'http://127.0.0.1:{port}', server
        finally:
            await server.stop()

    async def main():
        async with server() as parts:
            await asyncio.wait_for(test(*parts), 30)

    asyncio.run(main())


def connect(session, address, **headers):
    return session.ws_connect(f'{address}/live', headers={'Origin': address} | headers)


async def status_of_page(session, address, query='', **headers):
    async with session.get(f'{address}/{query}', headers=headers) as response:
        return response.status, await response.text()


async def status_of_socket(session, address, **headers):
    try:
        async with connect(session, address, **headers):
            return 101
    except aiohttp.WSServerHandshakeError as error:
        return error.status


def test_the_page_needs_nothing_from_elsewhere():
    async def test(session, address, server):
        async with session.get(address) as response:
            page, headers = await response.text(), response.headers
        nonce = re.search(r"script-src 'nonce-([\w-]+)'", headers['Content-Security-Policy'])[1]
        assert "default-src 'none'" in headers['Content-Security-Policy']
        assert "frame-ancestors 'none'" in headers['Content-Security-Policy']
        assert headers['Cache-Control'] == 'no-store'
        assert 'Set-Cookie' not in headers
        assert page.count(f'nonce="{nonce}"') == page.count('<script') + page.count('<style') == 2
        assert not re.search(r'(?:https?:)?//\w+\.\w', re.sub(r'ws://.*', '', page))
        assert '{{' not in page
        async with session.get(address) as response:
            assert nonce not in await response.text()
        assert (await status_of_page(session, address, 'favicon.ico'))[0] == 404

    live(test)


@pytest.mark.parametrize(
    ('host', 'header', 'own'),
    [
        ('127.0.0.1', 'localhost:8080', True),
        ('127.0.0.1', '127.0.0.1', True),
        ('127.0.0.1', '[::1]:8080', True),
        ('127.0.0.1', 'LOCALHOST', True),
        ('127.0.0.1', 'attacker.example:8080', False),
        ('127.0.0.1', 'localhost.attacker.example', False),
        ('127.0.0.1', 'robot', False),
        ('127.0.0.1', '', False),
        ('127.0.0.1', '[::1', False),
        ('0.0.0.0', '192.168.0.7:8080', True),
        ('0.0.0.0', 'robot.local:8080', True),
        ('0.0.0.0', 'attacker.example', False),
        ('arm.lab', 'arm.lab:80', True),
    ],
)
def test_names_of_this_server(monkeypatch, host, header, own):
    monkeypatch.setattr('socket.gethostname', lambda: 'Robot')
    assert is_own_host(header, Settings(host=host)) == own


def test_other_sites_are_refused():
    async def test(session, address, server):
        status, text = await status_of_page(session, address, Host='attacker.example')
        assert (status, 'does not belong to this server' in text) == (403, True)
        assert await status_of_socket(session, address, Host='attacker.example') == 403
        for origin in ('http://attacker.example', 'null', '', 'http://127.0.0.1', f'{address}0'):
            assert await status_of_socket(session, address, Origin=origin) == 403
        assert await status_of_socket(session, address) == 101

    live(test)


def test_a_token_opens_the_page_and_the_cookie_keeps_it_open():
    async def test(session, address, server):
        assert (await status_of_page(session, address))[0] == 401
        assert await status_of_socket(session, address) == 401
        for wrong in (TOKEN[:-1], TOKEN + 'x', 'ü%ff', '%00'):
            status, text = await status_of_page(session, address, f'?token={wrong}')
            assert (status, TOKEN in text) == (403, False)
        assert await status_of_socket(session, address, Cookie=f'other={TOKEN}') == 401
        async with session.get(f'{address}/?token={TOKEN}') as response:
            assert response.status == 200
            cookie = response.headers['Set-Cookie']
            assert 'HttpOnly' in cookie
            assert 'SameSite=Strict' in cookie
            assert TOKEN not in await response.text()
        assert (await status_of_page(session, address))[0] == 200
        assert await status_of_socket(session, address) == 101
        assert await status_of_socket(session, address, Origin='http://attacker.example') == 403

    live(test, token=TOKEN)


def test_a_page_gets_the_newest_state_when_it_asks():
    source = _FakeSource(size=1000)

    async def test(session, address, server):
        async with connect(session, address) as page:
            assert await page.receive_json() == {'hello': {}, 'allow_changes': False}
            await page.send_json(ASK)
            first = (await page.receive_json())['number']
            await asyncio.sleep(0.5)
            await page.send_json(ASK)
            assert (await page.receive_json())['number'] > first + 2
            assert source.pictures == 0
            await page.send_json({'picture': True})
            assert await page.receive_bytes() == bytes(1000)
            assert (await page.receive_json())['number'] == source.states
        await asyncio.sleep(0.3)
        assert server.clients == 0
        states = source.states
        await asyncio.sleep(0.3)
        assert source.states == states  # nobody looks

    live(test, source)


@pytest.mark.parametrize(
    'data', ['{', '[' * 3000, '"text"', b'\x00\xff', 'null', '[1]', '1' * 5000]
)
def test_what_is_not_understood_ends_the_connection(data):
    async def test(session, address, server):
        async with connect(session, address) as page:
            await page.receive_json()
            await (page.send_str(data) if isinstance(data, str) else page.send_bytes(data))
            assert (await page.receive()).type == aiohttp.WSMsgType.CLOSE
            assert page.close_code in (1003, 1009)
        assert await status_of_socket(session, address) == 101

    live(test)


def test_too_many_pages_are_told_so():
    async def test(session, address, server):
        pages = [await connect(session, address) for _ in range(100)]
        first = [await page.receive() for page in pages]
        kinds = [message.type for message in first]
        assert kinds.count(aiohttp.WSMsgType.TEXT) == MAX_CLIENTS
        assert kinds.count(aiohttp.WSMsgType.CLOSE) == 100 - MAX_CLIENTS
        refused = next(message for message in first if message.type == aiohttp.WSMsgType.CLOSE)
        assert (refused.data, refused.extra) == (
            1013, f'{MAX_CLIENTS} pages are open, and no more are served: close one',
        )  # fmt: skip
        assert server.clients == MAX_CLIENTS
        for page in pages:
            await page.close()
        await asyncio.sleep(0.2)
        async with connect(session, address) as page:
            assert 'hello' in await page.receive_json()

    # else connections are refused before pages are
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr('emotion_perception.ros.live.server.MAX_CONNECTIONS', 200)
        live(test)


def test_too_many_connections_are_refused():
    async def test(session, address, server):
        port = int(address.rsplit(':', 1)[1])
        open_ = [await asyncio.open_connection('127.0.0.1', port) for _ in range(MAX_CONNECTIONS)]
        await asyncio.sleep(0.1)
        status, text = await status_of_page(session, address)
        assert (status, text) == (
            503, f'{MAX_CONNECTIONS} connections are open, and no more are served\n',
        )  # fmt: skip
        for _, writer in open_:
            writer.close()
        await asyncio.sleep(0.1)
        assert (await status_of_page(session, address))[0] == 200

    live(test)


def test_a_page_that_does_not_read_is_dropped(monkeypatch):
    monkeypatch.setattr('emotion_perception.ros.live.server.SEND_LIMIT_S', 0.5)
    source = _FakeSource(size=2_000_000)

    async def test(session, address, server):
        port = int(address.rsplit(':', 1)[1])
        _, writer = await asyncio.open_connection('127.0.0.1', port, limit=1000)
        writer.write(
            f'GET /live HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nOrigin: {address}\r\n'
            'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n'
            'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n'.encode()
        )
        # frames whose mask is zero, and nothing of the answers is read
        asked = json.dumps({'picture': True}).encode()
        writer.write((bytes([0x81, 0x80 | len(asked)]) + bytes(4) + asked) * 500)
        async with connect(session, address) as other:
            await other.receive_json()
            for _ in range(200):
                await other.send_json(ASK)  # who reads is served meanwhile
                await other.receive_json()
                if server.clients == 1 and source.pictures:
                    break
        # what the system buffers, and a few more; not 500
        assert 1 <= source.pictures < 30
        writer.close()

    live(test, source)


def test_changes_only_if_they_are_allowed():
    source = _FakeSource()

    async def change(session, address, server):
        async with connect(session, address) as page:
            await page.receive_json()
            await page.send_json({'set': 'hysteresis', 'value': 0.2})
            return await page.receive_json()

    async def refused(*parts):
        answer = await change(*parts)
        assert answer['changed'] == 'hysteresis'
        assert '--allow-changes' in answer['refused']
        assert source.values == {}

    async def accepted(*parts):
        assert await change(*parts) == {'changed': 'hysteresis', 'refused': ''}
        assert source.values == {'hysteresis': 0.2}

    live(refused, source)
    live(accepted, source, allow_changes=True)


def test_a_node_that_does_not_answer_a_change(monkeypatch):
    monkeypatch.setattr('emotion_perception.ros.live.server.CHANGE_LIMIT_S', 0.2)
    source = _FakeSource()
    source.answer = None

    async def test(session, address, server):
        async with connect(session, address) as page:
            await page.receive_json()
            await page.send_json({'set': 'hysteresis', 'value': 0.2})
            assert (await page.receive_json())['refused'] == 'the node does not answer'

    live(test, source, allow_changes=True)


def test_the_end_of_the_server_is_told():
    async def test(session, address, server):
        async with connect(session, address) as page:
            await page.receive_json()
            stop = asyncio.create_task(server.stop())
            message = await page.receive()
            assert message.type == aiohttp.WSMsgType.CLOSE
            assert message.data in (1000, 1001)  # 1000 with aiohttp 3.9, without a reason
            await stop

    live(test)
