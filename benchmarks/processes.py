"""Camera, node and listener in processes of their own: latency, lost frames, CPU and memory."""

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import rclpy
from rclpy.executors import SingleThreadedExecutor

from benchmarks.figures import percentiles_ms
from benchmarks.frames import frame
from emotion_msgs.msg import EmotionArray
from emotion_perception.ros.conversions import seconds
from emotion_perception.ros.processes import free_domain

_TICKS = os.sysconf('SC_CLK_TCK')
DOMAINS = range(101, 201)


class Process:
    """A module of the package, run as a robot would run it; what it logs is kept with the time."""

    def __init__(
        self, module: str, domain: int, remappings: Sequence[str] = (), **parameters: Any
    ):
        """Start it; `parameters` and `remappings` (``from:=to``) are passed on."""
        command = [sys.executable, '-u', '-m', module, '--ros-args']
        for name, value in parameters.items():
            command += ['-p', f'{name}:={value}']
        for remapping in remappings:
            command += ['-r', remapping]
        self.started = time.monotonic()
        self._process = subprocess.Popen(
            command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
            env=os.environ | {'ROS_DOMAIN_ID': str(domain)},
        )  # fmt: skip
        self.log: list[tuple[float, str]] = []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self.log.append((time.monotonic(), line))

    def said(self, word: str) -> float | None:
        """Return the seconds from its start until it logged `word`; None if it did not."""
        return next((at - self.started for at, line in self.log if word in line), None)

    def memory_parts_mb(self) -> dict[str, float]:
        """Return its ``resident`` memory in MB and what that is: ``anonymous``, ``shared``, ``file``."""
        status = Path(f'/proc/{self._process.pid}/status').read_text()
        names = {
            'resident': 'VmRSS',
            'anonymous': 'RssAnon',
            'shared': 'RssShmem',
            'file': 'RssFile',
        }
        return {
            part: int(status.split(f'\n{name}:')[1].split()[0]) * 1024 / 1e6
            for part, name in names.items()
        }

    def mappings(self) -> int:
        """Return how many pieces its address space has: libraries, stacks, arenas, shared memory."""
        return len(Path(f'/proc/{self._process.pid}/maps').read_text().splitlines())

    def cpu_s(self) -> float:
        """Return the CPU time that it took, user and system."""
        fields = Path(f'/proc/{self._process.pid}/stat').read_text().rsplit(')', 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def memory_mb(self) -> float:
        """Return its resident memory in MB (10^6 bytes)."""
        status = Path(f'/proc/{self._process.pid}/status').read_text()
        return int(status.split('VmRSS:')[1].split()[0]) * 1024 / 1e6

    def threads(self) -> int:
        """Return how many threads it has."""
        return sum(1 for _ in Path(f'/proc/{self._process.pid}/task').iterdir())

    def handles(self) -> int:
        """Return how many files and sockets it holds open."""
        return sum(1 for _ in Path(f'/proc/{self._process.pid}/fd').iterdir())

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def signal(self, number: int) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def kill(self) -> None:
        """End it with SIGKILL, which it cannot notice, and wait until it is gone."""
        self._process.kill()
        self._process.wait()

    def stop(self) -> int:
        """End it with SIGINT, as Ctrl-C does, and with SIGKILL if it does not; return its exit code."""
        if self.running:
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self.kill()
        return self._process.returncode


class Bench:
    """A listener in this process and the processes that it listens to, in a domain of their own."""

    def __init__(self, domains: Sequence[int] = DOMAINS) -> None:
        """Join one of the domains that nobody uses now."""
        self.domain = free_domain(domains)
        self._context = rclpy.Context()
        rclpy.init(context=self._context, domain_id=self.domain)
        self.node = rclpy.create_node('bench', context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self.heard: list[tuple[EmotionArray, float]] = []
        self._processes: list[Process] = []
        self.listen('emotion/faces')

    def listen(self, topic: str) -> None:
        """Hear a topic of EmotionArray; each message goes to `heard` with its latency in seconds."""
        self.node.create_subscription(EmotionArray, topic, self._note, 500)

    def _note(self, message: EmotionArray) -> None:
        now = self.node.get_clock().now().nanoseconds * 1e-9
        self.heard.append((message, now - seconds(message.header.stamp)))

    def start(self, module: str, *remappings: str, **parameters: Any) -> Process:
        """Start a module in the same domain."""
        process = Process(module, self.domain, remappings, **parameters)
        self._processes.append(process)
        return process

    def spin(self, for_s: float, until: Any = None) -> bool:
        """Listen for some time, or until a condition holds; tell whether it did."""
        deadline = time.monotonic() + for_s
        while time.monotonic() < deadline:
            if until is not None and until():
                return True
            self._executor.spin_once(min(0.02, max(deadline - time.monotonic(), 0)))
        return until is not None and until()

    def close(self) -> None:
        """Stop all."""
        for process in self._processes:
            process.stop()
        self._executor.shutdown()
        self.node.destroy_node()
        rclpy.shutdown(context=self._context)


@contextmanager
def bench(domains: Sequence[int] = DOMAINS) -> Iterator[Bench]:
    """Give a `Bench` and clean up."""
    made = Bench(domains)
    try:
        yield made
    finally:
        made.close()


NODE, CAMERA = 'emotion_perception.ros.emotion_node', 'emotion_perception.ros.camera_node'


@contextmanager
def picture(size: tuple[int, int], faces: int) -> Iterator[str]:
    """Give the path of a picture with so many faces for the camera to show."""
    with tempfile.TemporaryDirectory(prefix='bench-') as folder:
        path = Path(folder) / 'frame.png'
        # the camera of a still zooms and sways: what it shows is the middle
        around = [round(0.12 * length) for length in size]
        image = cv2.copyMakeBorder(
            frame(size, faces), around[1], around[1], around[0], around[0], cv2.BORDER_REPLICATE
        )
        cv2.imwrite(str(path), image)
        yield f'"{path}"'


def stream(
    rate_hz: float, size: tuple[int, int], faces: int, run_s: float, **parameters: Any
) -> dict[str, Any]:
    """
    Let a camera send to the node and count what a third process hears.

    Args:
        rate_hz: of the camera.
        size: width and height of its images.
        faces: in each of them.
        run_s: how long it sends.
        parameters: of the node.

    Returns:
        ``sent``, ``processed``, ``skipped``, ``faces`` (the median found), ``latency`` from the
        camera's stamp to the listener in ms, ``cpu_ms`` of the node for each frame, ``cpu_share`` of
        a core, ``memory_mb``.

    """
    frames = round(rate_hz * run_s)
    with bench() as b, picture(size, faces) as source:
        node = b.start(NODE, autostart='true', **parameters)
        b.spin(20, lambda: b.node.count_publishers('emotion/faces'))
        b.spin(0.7)
        b.start(
            CAMERA, source=source, width=size[0], height=size[1], rate_hz=rate_hz, frames=frames
        )
        b.spin(10, lambda: b.heard)
        cpu = node.cpu_s()
        first = len(b.heard)
        b.spin(run_s + 3, lambda: len(b.heard) >= frames)
        done = len(b.heard) - first
        cpu = node.cpu_s() - cpu
        memory = node.memory_mb()
        heard = list(b.heard)
    counts = sorted(len(message.faces) for message, _ in heard)
    return {
        'rate_hz': rate_hz,
        'width': size[0],
        'height': size[1],
        'faces': faces,
        'found': counts[len(counts) // 2] if counts else 0,
        'sent': frames,
        'processed': len(heard),
        'skipped': heard[-1][0].images_skipped if heard else 0,
        'latency': percentiles_ms([latency for _, latency in heard]),
        'cpu_ms': round(cpu / max(done, 1) * 1000, 2),
        # not by the time that passed: the last images may be waited for in vain
        'cpu_share': round(cpu / max(done, 1) * rate_hz, 3),
        'memory_mb': round(memory, 1),
    }
