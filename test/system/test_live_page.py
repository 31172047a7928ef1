# SPDX-License-Identifier: Apache-2.0
"""The live page in a browser: what it shows and announces, on a phone too, and by keyboard."""

import asyncio
import functools
import re
import signal
import time

import pytest

from emotion_perception.ros.processes import CAMERA_NODE, EMOTION_NODE, free_domain

pytest.importorskip('aiohttp')
from support.browser import browser
from support.processes import process_group

pytestmark = pytest.mark.slow
COMMAND = 'emotion_perception.cli'
SCRIPT = ['appear@0s', 'smile@2s', 'look_away@5s', 'leave@60s', '2:angry@1s', '2:leave@9s']


@pytest.fixture
def start():
    """Start processes in a domain of their own, and end them."""
    local = {'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST'}
    with process_group(free_domain()) as group:
        yield functools.partial(group.start, environment=local)


def address_of(live):
    deadline = time.monotonic() + 30
    while not (found := re.search(r'^live page: (\S+)$', live.output, re.M)):
        assert time.monotonic() < deadline, live.output
        time.sleep(0.1)
    return found[1]


def in_browser(test):
    async def main():
        async with browser() as tab:
            await test(tab)
            assert tab.errors == []

    asyncio.run(main())


def test_people_events_and_the_end_of_the_node(start):
    live = start(COMMAND, 'live', '--port', '0', '--token', 'a-token-of-the-test')
    fake = start(COMMAND, 'fake', *SCRIPT)
    address = address_of(live)

    async def test(tab):
        await tab.look(390, 844, dark=True, phone=True)
        await tab.open(address)
        await tab.until("document.querySelectorAll('.card').length === 2")
        assert await tab.value('location.href') == address.partition('?')[0]
        assert 'token' not in await tab.value('document.cookie')
        await tab.until("document.querySelector('[aria-label=\"Person 1\"] .label')"
                        ".textContent === 'happiness'")  # fmt: skip
        await tab.until("document.querySelector('.looking, .away')?.textContent === 'looks away'")
        announced = await tab.until("document.querySelector('#announcer').textContent")
        assert announced.startswith('Person ')
        chart = await tab.until("document.querySelector('#chart').ariaLabel.match(/Person 2: .*/)")
        assert 'anger' in chart[0]
        # nothing reaches over the edge of a phone, and everything that works has a name
        assert await tab.value('document.documentElement.scrollWidth') == 390
        assert not await tab.value("[...document.querySelectorAll('button, input')].filter("
                                   '  e => !(e.labels?.length || e.ariaLabel || e.textContent)'
                                   ').map(e => e.outerHTML).join()')  # fmt: skip
        assert await tab.value("[...document.querySelectorAll('input')].every(e => e.disabled)")
        assert (await tab.value("document.querySelector('#nopicture').textContent")).startswith(
            'No picture: the node publishes no image'
        )
        await tab.until("document.querySelectorAll('.card').length === 1")
        fake.signal(signal.SIGINT)
        await tab.until(
            "document.querySelector('#notice').textContent.startsWith('Nothing comes')"
        )
        live.stop()
        await tab.until(
            "document.querySelector('#notice').textContent.startsWith('No connection')"
        )
        tab.errors.clear()  # the browser logs that it cannot connect again

    in_browser(test)


def test_the_picture_and_a_slider(start):
    live = start(COMMAND, 'live', '--port', '0', '--allow-changes')
    start(EMOTION_NODE, autostart=True)
    start(CAMERA_NODE, rate_hz=10.0)
    address = address_of(live)

    async def test(tab):
        await tab.look(1280, 800)
        await tab.open(address)
        picture = "document.querySelector('#picture')"
        await tab.until(f'!{picture}.hidden && {picture}.width === 640')
        await tab.until("document.querySelector('#level').textContent === 'ok'")
        slider = "document.querySelector('#p_hysteresis')"
        await tab.until(f'!{slider}.disabled && {slider}.valueAsNumber === 0.08')
        # by keyboard: the next step is 0.09
        await tab.value(f'{slider}.focus()')
        for kind in ('rawKeyDown', 'keyUp'):
            await tab.call(
                'Input.dispatchKeyEvent', type=kind, key='ArrowRight', windowsVirtualKeyCode=39
            )
        await asyncio.sleep(4)
        assert await tab.value(f'{slider}.ariaValueText') == '0.09'
        assert await tab.value(f'{slider}.valueAsNumber') == 0.09
        # refused by the node's bounds
        number = f"{slider}.parentElement.querySelector('[type=number]')"
        await tab.value(f"{number}.value = 7; {number}.dispatchEvent(new Event('change'))")
        refused = await tab.until(f"{slider}.parentElement.querySelector('.refused').textContent")
        assert refused == 'hysteresis is out of range: it must be in 0..0.5, not 7'
        await tab.value("document.querySelector('#toggle').click()")
        await tab.until(f'{picture}.hidden')

    in_browser(test)
