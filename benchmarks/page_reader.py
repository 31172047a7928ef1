# SPDX-License-Identifier: Apache-2.0
"""An open live page: reads each state and picture until it is stopped. Argument: its address."""

import asyncio
import contextlib
import sys

import aiohttp


async def read(address: str) -> None:
    """Ask for one state after the other, as the page does."""
    headers = {'Origin': address.rstrip('/')}
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f'{address}live', headers=headers) as page,
    ):
        await page.receive_json()
        print('open', flush=True)
        while True:
            await page.send_json({'picture': True})
            message = await page.receive()
            if message.type == aiohttp.WSMsgType.BINARY:
                message = await page.receive()
            message.json()


if __name__ == '__main__':
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(read(sys.argv[1]))
