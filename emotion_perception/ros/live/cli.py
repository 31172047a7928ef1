# SPDX-License-Identifier: Apache-2.0
"""The command `emotion-perception live`."""

import argparse
import asyncio
import errno
import os
import secrets
import signal
import socket
import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from emotion_perception.errors import SourceError
from emotion_perception.ros.live import PICTURES

# aiohttp and ROS are imported where they are used
if TYPE_CHECKING:
    from emotion_perception.ros.live.access import Settings
    from emotion_perception.ros.live.server import LiveServer

TOKEN_VARIABLE = 'EMOTION_LIVE_TOKEN'
_SHORTEST_TOKEN = 12


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f'{text} is not a port, 0 to 65535')
    return int(text)


def add_parser(commands: Any) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        'live',
        help='a page in the browser: picture, people, their last minute, diagnostics',
        description='Serve a page that shows what the running node publishes: the picture with '
        'blurred faces, each person, the last minute, latency, diagnostics and parameters. '
        'Nothing is stored.',
    )
    add = parser.add_argument
    add('--port', type=_port, default=8080, help='port; 0 takes any that is free (8080)')
    text = (
        'address to listen on (127.0.0.1, which other machines cannot reach). 0.0.0.0 is all; any '
        'address of the network needs a token'
    )
    add('--host', default='127.0.0.1', help=text)
    text = (
        f'that the page must know, {_SHORTEST_TOKEN} characters or more. Other users of this '
        f'machine can read command lines: the variable {TOKEN_VARIABLE} is safer. Without either '
        'one is drawn and printed where one is needed'
    )
    add('--token', default='', help=text)
    text = (
        'blurred hides all faces, full shows what the node publishes, none shows no picture '
        "(blurred). The node's parameter annotated_image allows less, never more"
    )
    add('--picture', choices=PICTURES, default=PICTURES[0], help=text)
    text = 'let the page change the live parameters of the node; otherwise it only shows them'
    add('--allow-changes', action='store_true', help=text)
    add('--namespace', default='', help='of the node and its topics')
    add('--node', default='emotion_perception', help='name of the node (emotion_perception)')
    parser.set_defaults(run=run)


def _settings(args: argparse.Namespace) -> 'Settings':
    from emotion_perception.ros.live.access import Settings, is_loopback

    token = args.token or os.environ.get(TOKEN_VARIABLE, '')
    if token and (len(token) < _SHORTEST_TOKEN or not (token.isascii() and token.isprintable())):
        raise SourceError(
            f'the token must have {_SHORTEST_TOKEN} or more printable ASCII characters'
        )
    if not token and not is_loopback(args.host):
        token = secrets.token_urlsafe(24)
    return Settings(args.host, args.port, token, args.allow_changes)


def address(settings: 'Settings', port: int) -> str:
    """Return the address of the page, with the token."""
    host = settings.host
    if host in ('0.0.0.0', '::', ''):
        host = socket.gethostname()
    host = f'[{host}]' if ':' in host else host
    token = f'?token={quote(settings.token, safe="")}' if settings.token else ''
    return f'http://{host}:{port}/{token}'


async def _serve(server: 'LiveServer', settings: 'Settings', stopped: asyncio.Event) -> None:
    try:
        port = await server.start()
    except OSError as error:
        await server.stop()
        where = f'{settings.host} port {settings.port}'
        if error.errno == errno.EADDRINUSE:
            text = f'{where} is in use; choose another with --port, or any free one with --port 0'
            raise SourceError(text) from None
        raise SourceError(f'cannot listen on {where}: {error.strerror or error}') from None
    print(f'live page: {address(settings, port)}', flush=True)
    try:
        await server.wait(stopped)
    finally:
        await server.stop()


def run(args: argparse.Namespace) -> int:
    """
    Serve the page until Ctrl-C.

    Raises:
        SourceError: if a library is missing, ROS does not start, or the port is taken.

    """
    try:
        import aiohttp  # noqa: F401
    except ImportError:
        raise SourceError(
            "aiohttp is missing; install it: python3 -m pip install 'aiohttp>=3.9,<4', or "
            'apt install python3-aiohttp'
        ) from None
    import cv2
    from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor

    from emotion_perception.ros.live.node import LiveNode
    from emotion_perception.ros.live.server import LiveServer
    from emotion_perception.ros.node_main import (
        NodeStartError,
        checked_namespace,
        checked_node_name,
        ros_context,
    )

    settings = _settings(args)
    cv2.setNumThreads(1)  # more gain nothing, and take from the node

    async def main(node: LiveNode, executor: SingleThreadedExecutor) -> None:
        loop, stopped = asyncio.get_running_loop(), asyncio.Event()
        failures: list[Exception] = []
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stopped.set)

        def spin() -> None:
            # of this thread and those that it starts: where cores are scarce the robot comes first
            os.nice(10)
            try:
                executor.spin()
            except ExternalShutdownException:
                pass
            except Exception as error:
                failures.append(error)
            loop.call_soon_threadsafe(stopped.set)

        thread = threading.Thread(target=spin, daemon=True)
        thread.start()
        try:
            await _serve(LiveServer(node, settings), settings, stopped)
        finally:
            executor.shutdown()
            await asyncio.to_thread(thread.join, 5.0)
        if failures:
            raise failures[0]

    try:
        namespace = checked_namespace(args.namespace)
        checked_node_name(args.node)
        with ros_context([], catch_signals=False):
            node = LiveNode(args.node, namespace, args.picture)
            executor = SingleThreadedExecutor()
            executor.add_node(node)
            try:
                asyncio.run(main(node, executor))
            finally:
                node.destroy_node()
    except NodeStartError as error:
        raise SourceError(str(error)) from None
    return 0
