"""Several cameras: a node in a process of its own for each, or all nodes in one process."""

import sys
from typing import Any

from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter

from benchmarks.figures import percentiles_ms
from benchmarks.processes import CAMERA, NODE, bench, picture
from emotion_perception.ros.emotion_node import EmotionNode
from emotion_perception.ros.node_main import ros_context


def together(count: int) -> None:
    """Run so many nodes in this process, in the namespaces camera0, camera1 and so on."""
    with ros_context([]):
        executor = SingleThreadedExecutor()
        autostart = [Parameter('autostart', value=True)]
        nodes = [
            EmotionNode(namespace=f'camera{k}', parameter_overrides=autostart)
            for k in range(count)
        ]
        for node in nodes:
            executor.add_node(node)
        try:
            executor.spin()
        finally:
            for node in nodes:
                node.destroy_node()


def measure(counts: tuple[int, ...], run_s: float, rate_hz: float = 30.0) -> list[dict[str, Any]]:
    """
    Return what several cameras cost, each VGA with one face.

    Args:
        counts: numbers of cameras.
        run_s: how long each case runs.
        rate_hz: of each camera.

    """
    rows = []
    for count in counts:
        for way in ('a process each', 'one process'):
            if way == 'one process' and count == 1:
                continue
            frames = round(run_s * rate_hz)
            with bench() as b, picture((640, 480), 1) as source:
                names = [f'camera{k}' for k in range(count)]
                if way == 'one process':
                    nodes = [b.start('benchmarks.cameras', count=count)]
                else:
                    nodes = [b.start(NODE, f'__ns:=/{name}', autostart='true') for name in names]
                for name in names:
                    b.listen(f'{name}/emotion/faces')
                b.spin(20, lambda b=b, names=names: all(b.node.count_publishers(f'{n}/emotion/faces') for n in names))  # fmt: skip
                b.spin(0.7)
                for name in names:
                    b.start(
                        CAMERA, f'__ns:=/{name}', source=source, rate_hz=rate_hz, frames=frames
                    )
                b.spin(10, lambda b=b: b.heard)
                cpu = sum(node.cpu_s() for node in nodes)
                b.spin(run_s + 2, lambda b=b, total=frames * count: len(b.heard) >= total)
                cpu = sum(node.cpu_s() for node in nodes) - cpu
                rows.append(
                    {
                        'cameras': count,
                        'way': way,
                        'sent': frames * count,
                        'processed': len(b.heard),
                        'latency': percentiles_ms([latency for _, latency in b.heard]),
                        'cpu_share': round(cpu / run_s, 3),
                        'memory_mb': round(sum(node.memory_mb() for node in nodes), 1),
                    }
                )
    return rows


if __name__ == '__main__':
    together(int(next(word for word in sys.argv if word.startswith('count:=')).split('=')[1]))
