# SPDX-License-Identifier: Apache-2.0
"""`emotion-perception live` beside a running node: what a page receives and may change."""

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys

import cv2
import numpy as np
import pytest

from emotion_perception import cli
from emotion_perception.ros.conversions import image_to_bgr, time_message
from emotion_perception.ros.processes import NodeProcess
from support.processes import files_open_for_writing
from support.sharpness import detail

aiohttp = pytest.importorskip('aiohttp')
COMMAND = 'emotion_perception.cli'


def address_of(live, peer):
    """Return the address that the command prints, with its token."""
    pattern = re.compile(r'^live page: (http://\S+)$', re.M)
    return peer.until(lambda: pattern.search(live.output), 20, 'the address')[1]


class _Page:
    """A page that asks for each state; the peer's node is spun meanwhile."""

    def __init__(self, peer, address, feed=lambda: None):
        self._peer, self._address, self._feed = peer, address.split('?')[0].rstrip('/'), feed
        self._headers = {'Origin': self._address}
        self._query = '?' + address.partition('?')[2]
        self.picture, self.hello, self.state = b'', None, None

    def until(self, condition, timeout_s=40.0, send=None):
        """Ask until a state meets the condition; return it. Sends one request before, if given."""
        self.state = None
        try:
            return asyncio.run(asyncio.wait_for(self._until(condition, send), timeout_s))
        except TimeoutError:
            raise TimeoutError(f'the last state: {self.state}') from None

    async def _until(self, condition, send):
        async with aiohttp.ClientSession() as session:
            address = f'{self._address}/live{self._query}'
            async with session.ws_connect(address, headers=self._headers) as socket_:
                self.hello = await socket_.receive_json()
                if send:
                    await socket_.send_json(send)
                    return await socket_.receive_json()
                while True:
                    await socket_.send_json({'picture': True})
                    self._feed()
                    self._peer.spin(0.05)
                    message = await socket_.receive()
                    if message.type == aiohttp.WSMsgType.BINARY:
                        self.picture, message = message.data, await socket_.receive()
                    self.state = message.json()
                    if condition(self.state):
                        return self.state


def test_a_page_beside_the_node(node, peer, portrait, portrait_message):
    domain = {'ROS_DOMAIN_ID': str(node.domain)}
    live = NodeProcess(COMMAND, ['live', '--port', '0', '--allow-changes'], environment=domain)
    try:

        def feed():
            portrait_message.header.stamp = time_message(peer.node.get_clock().now().nanoseconds)
            peer.send(portrait_message)

        page = _Page(peer, address_of(live, peer), feed)
        assert not peer.node.count_subscribers('emotion/image')
        state = page.until(
            lambda s: s['people'] and page.picture and s['diagnostics'] and s['parameters']
            and s['people'][0]['label'] == 'happiness'
        )  # fmt: skip
        (person,) = state['people']
        assert person['confidence'] > 0.8
        assert state['running']
        assert state['latency']['processing_ms'] > 0
        assert state['diagnostics']['values']['state'] == 'active'
        assert state['parameters']['hysteresis'] == 0.08
        assert page.hello['allow_changes']
        # the face is blurred, although the node's image shows it
        with peer.annotated_image():
            array = peer.process(portrait_message)
            full = image_to_bgr(peer.until(lambda: peer.annotated, what='the image')[-1])
        shown = cv2.imdecode(np.frombuffer(page.picture, np.uint8), cv2.IMREAD_COLOR)
        box = array.faces[0].box
        place = box.x_offset, box.y_offset, box.width, box.height
        sharp, blurred = (detail(image, place, top=30, border=8) for image in (full, shown))
        assert blurred < 0.05 * sharp
        # nothing of it is stored
        assert {path.suffix for path in files_open_for_writing(live.pid)} <= {'.log'}
        # a change of a live parameter, and what is refused
        for name, value, refused in (
            ('hysteresis', 0.2, ''),
            ('min_face_px', 25, ''),
            ('hysteresis', 7, 'hysteresis is out of range: it must be in 0..0.5, not 7'),
            ('min_face_px', 2.5, 'min_face_px must be a whole number in 1..4000, not 2.5'),
            ('hysteresis', 'x', "hysteresis has the wrong type: it must be a number, not 'x'"),
            ('annotated_image', 'full', "'annotated_image' is not a live parameter"),
            ({'a': 1}, 1, "{'a': 1} is not a live parameter"),
        ):
            answer = page.until(None, send={'set': name, 'value': value})
            assert (answer['changed'], answer['refused']) == (name, refused)
        changed = page.until(lambda s: s['parameters'].get('min_face_px') == 25)
        assert changed['parameters']['hysteresis'] == 0.2
        # by now the page surely listens to events
        portrait_message.data = bytes(len(portrait_message.data))
        page.until(lambda s: not s['people'] and s['events'] and s['events'][-1]['kind'] == 'left')
        # nobody watches any more
        peer.until(lambda: not peer.node.count_subscribers('emotion/image'), 10, 'no watcher')
    finally:
        live.signal(signal.SIGINT)
        assert (live.wait(10), 'Traceback' in live.output) == (0, False), live.output


def test_people_who_come_and_a_node_that_stops(start, peer):
    live = start(COMMAND, 'live', '--port', '0', '--namespace', 'robot', '--picture', 'none')
    page = _Page(peer, address_of(live, peer))
    state = page.until(lambda s: s['picture_problem'])
    assert (state['running'], state['people']) == (False, [])
    assert (state['node'], state['diagnostics']) == ('/robot/emotion_perception', None)
    assert '--picture none' in state['picture_problem']
    fake = start(COMMAND, 'fake', 'smile@0.1s', '2:angry@0.1s', '--loop', '--namespace', 'robot')
    state = page.until(lambda s: len(s['people']) == 2 and len(s['events']) >= 2)
    assert [person['attention'] for person in state['people']] == [1, 1]
    assert state['parameters'] == {}
    assert '--allow-changes' in page.until(None, send={'set': 'x', 'value': 1})['refused']
    assert fake.stop() == 0
    state = page.until(lambda s: not s['running'])
    assert (state['people'], state['latency']) == ([], {})
    page.until(lambda s: True)
    assert page.hello['hello']['1'], 'the last minute is kept'


def test_another_address_has_a_token(start, peer):
    live = start(COMMAND, 'live', '--port', '0', '--host', '0.0.0.0')
    address = address_of(live, peer)
    token = address.partition('?token=')[2]
    assert len(token) >= 32
    port = re.search(r':(\d+)/', address)[1]
    page = _Page(peer, f'http://127.0.0.1:{port}/?token={token}')
    assert page.until(lambda s: True)['running'] is False
    with pytest.raises(aiohttp.WSServerHandshakeError, match='401'):
        _Page(peer, f'http://127.0.0.1:{port}/').until(lambda s: True)
    assert live.output.count(token) == 1


def test_the_printed_address_opens_the_page(start, peer):
    """Whatever characters the token has."""
    live = start(COMMAND, 'live', '--port', '0', '--token', 'a+b&c=d#e;f%g "h"')
    address = address_of(live, peer)
    assert _Page(peer, address).until(lambda s: True)['running'] is False

    async def open_page():
        # as a browser does: the address once, then the cookie
        async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
            async with session.get(address) as page:
                first = page.status
            async with session.get(address.partition('?')[0]) as page:
                return first, page.status

    assert asyncio.run(open_page()) == (200, 200)


@pytest.mark.parametrize(
    ('arguments', 'reason'),
    [
        (['--port', '70000'], '70000 is not a port, 0 to 65535'),
        (['--token', 'short'], 'the token must have 12 or more printable ASCII characters'),
        (['--namespace', 'a-b'], "'/a-b' is not a namespace: use letters, digits and"),
        (['--node', 'a b'], "'a b' is not the name of a node: use letters, digits and _"),
        (['--picture', 'some'], "invalid choice: 'some'"),
    ],
)
def test_a_wrong_command_line(capsys, arguments, reason):
    try:
        code = cli.main(['live', *arguments])
    except SystemExit as end:
        code = end.code
    line = capsys.readouterr().err.splitlines()[-1]
    assert code == 2
    assert line.startswith('emotion-perception live: ')
    assert reason in line


def test_a_port_that_is_taken_and_an_address_of_another_machine():
    with socket.create_server(('127.0.0.1', 0)) as taken:
        port = taken.getsockname()[1]
        for host, number, reason in (
            ('127.0.0.1', port, f'127.0.0.1 port {port} is in use; choose another with --port'),
            ('192.0.2.1', 0, 'cannot listen on 192.0.2.1 port 0: '),
        ):
            live = NodeProcess(COMMAND, ['live', '--host', host, '--port', str(number)])
            assert live.wait(20) == 2
            assert live.output.startswith(f'emotion-perception live: {reason}')
            assert live.output.count('\n') == 1


def test_without_aiohttp(tmp_path):
    (tmp_path / 'aiohttp.py').write_text("raise ImportError('no aiohttp')")
    path = os.pathsep.join([str(tmp_path), os.environ['PYTHONPATH']])
    done = subprocess.run(
        [sys.executable, '-m', COMMAND, 'live'],
        env={**os.environ, 'PYTHONPATH': path}, capture_output=True, text=True, timeout=30,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.startswith('emotion-perception live: aiohttp is missing; install it: ')
    assert 'apt install python3-aiohttp' in done.stderr
    assert len(done.stderr.splitlines()) == 1
