# SPDX-License-Identifier: Apache-2.0
"""Headless Chromium, driven by its DevTools protocol."""

import asyncio
import itertools
import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

_NAMES = ('chromium', 'chromium-browser', 'google-chrome')


class Browser:
    """
    One tab.

    Attributes:
        errors: what scripts threw, and what the browser logged as an error.

    """

    def __init__(self, socket: aiohttp.ClientWebSocketResponse):
        """Take over the connection to the tab."""
        self._socket, self._numbers = socket, itertools.count(1)
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self.errors: list[str] = []
        self._reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for message in self._socket:
            answer = message.json()
            if answer.get('id') in self._answers:
                self._answers.pop(answer['id']).set_result(answer)
            elif answer.get('method') == 'Runtime.exceptionThrown':
                self.errors.append(str(answer['params']['exceptionDetails']))
            elif answer.get('method') == 'Log.entryAdded':
                entry = answer['params']['entry']
                if entry['level'] == 'error':
                    self.errors.append(entry['text'])

    async def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol and return its result."""
        number = next(self._numbers)
        future = self._answers[number] = asyncio.get_running_loop().create_future()
        await self._socket.send_json({'id': number, 'method': method, 'params': parameters})
        return (await asyncio.wait_for(future, 20)).get('result', {})

    async def open(self, address: str) -> None:
        """Go to an address."""
        for domain in ('Page', 'Runtime', 'Log'):
            await self.call(f'{domain}.enable')
        await self.call('Page.navigate', url=address)

    async def look(self, width: int, height: int, dark: bool = False, phone: bool = False) -> None:
        """Set the size of the window, and light or dark."""
        await self.call(
            'Emulation.setDeviceMetricsOverride',
            width=width, height=height, deviceScaleFactor=2 if phone else 1, mobile=phone,
        )  # fmt: skip
        scheme = {'name': 'prefers-color-scheme', 'value': 'dark' if dark else 'light'}
        await self.call('Emulation.setEmulatedMedia', features=[scheme])

    async def value(self, expression: str) -> Any:
        """Return the value of a JavaScript expression."""
        result = await self.call('Runtime.evaluate', expression=expression, returnByValue=True)
        return result['result'].get('value')

    async def until(self, expression: str, timeout_s: float = 20.0) -> Any:
        """
        Return the value of an expression once it is true.

        Raises:
            TimeoutError: if it does not become true.

        """
        for _ in range(int(timeout_s / 0.1)):
            if value := await self.value(expression):
                return value
            await asyncio.sleep(0.1)
        raise TimeoutError(f'waited {timeout_s:g} s for {expression}')


@asynccontextmanager
async def browser() -> AsyncIterator[Browser]:
    """Start Chromium and give a tab; the test is skipped where there is no Chromium."""
    program = next(filter(None, map(shutil.which, _NAMES)), None)
    if program is None:
        pytest.skip(f'there is no {" or ".join(_NAMES)}; apt install chromium')
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        # libraries of ROS from wheels are not those of the browser
        environment = {k: v for k, v in os.environ.items() if k != 'LD_LIBRARY_PATH'}
        process = await asyncio.create_subprocess_exec(
            program, '--headless', '--no-sandbox', '--disable-gpu', '--remote-debugging-port=0',
            '--disable-dev-shm-usage', f'--user-data-dir={profile}', 'about:blank',
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
            env=environment,
        )  # fmt: skip
        try:
            port_file = Path(profile) / 'DevToolsActivePort'
            for _ in range(300):
                if port_file.exists() and '\n' in port_file.read_text():
                    break
                await asyncio.sleep(0.1)
            port = port_file.read_text().splitlines()[0]
            async with aiohttp.ClientSession() as session:
                async with session.get(f'http://127.0.0.1:{port}/json') as response:
                    tabs = await response.json()
                (tab,) = (tab for tab in tabs if tab['type'] == 'page')
                address = tab['webSocketDebuggerUrl']
                async with session.ws_connect(address, max_msg_size=2**26) as socket:
                    yield Browser(socket)
        finally:
            process.terminate()
            await process.wait()
