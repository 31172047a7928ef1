"""The subcommand `doctor` of `emotion-perception`; runs, and says so, where libraries or ROS are missing."""

import argparse
import json
import sys
from collections.abc import Iterable, Iterator

from emotion_perception.doctor.check_result import (
    PROBLEM,
    WARNING,
    Check,
    CheckResult,
    last_line,
    run_check,
    summary,
)
from emotion_perception.doctor.ros_setup import check_ros, check_ros_setup, check_transport
from emotion_perception.doctor.software import check_software

_LONGEST_S = 60.0
_SKIPPED = 'not looked at: it needs what is missing above'


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the subcommand."""
    parser.add_argument(
        '--image-topic', metavar='TOPIC', default='',
        help='where the camera publishes; else the one that the node reads, or the only one there is',
    )  # fmt: skip
    parser.add_argument(
        '--seconds', type=_seconds, default=3.0, help='how long to listen to the camera (3)'
    )
    parser.add_argument('--json', action='store_true', help='one json object with every check')
    parser.add_argument('--detector', default='', help='the one that must be there (blazeface)')
    parser.add_argument('--detector-model', default='', help="that detector's model file")
    parser.add_argument('--model', default='', help='another classifier: .tflite with its json')
    parser.set_defaults(run=run)


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add the subcommand to the parser of `emotion-perception`."""
    add_options(
        commands.add_parser(
            'doctor', help='check this installation, the camera and the running node; say what to fix',
            description='Exit code 0 where nothing is a problem, 1 otherwise.',
        )
    )  # fmt: skip


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 < value <= _LONGEST_S:
        raise argparse.ArgumentTypeError(f'{text} does not lie above 0 and up to {_LONGEST_S:g}')
    return value


def _guarded(checks: Iterable[Check]) -> Iterator[CheckResult]:
    for check in checks:
        yield from run_check(check)


def _recognition(args: argparse.Namespace) -> Iterator[CheckResult]:
    from emotion_perception.doctor.inference import Choice, check_recognition

    yield from _guarded(check_recognition(Choice(args.detector, args.detector_model, args.model)))


def _robot(args: argparse.Namespace) -> Iterator[CheckResult]:
    """
    Return transport, node and camera: what needs ROS to run.

    Raises:
        KeyboardInterrupt: after Ctrl-C, which ROS takes for itself.

    """
    import rclpy
    from rclpy.node import Node

    from emotion_perception.doctor.ros_graph import Robot
    from emotion_perception.doctor.transport import check_loopback
    from emotion_perception.ros.node_main import ros_context

    finished = False
    try:
        with ros_context([]):
            node = Node('emotion_perception_doctor', enable_rosout=False)
            middleware = rclpy.get_rmw_implementation_identifier()
            robot = Robot(node)
            checks: list[Check] = [
                ('transport', lambda: check_transport(middleware)),
                ('images', lambda: check_loopback(node)),
                ('node', robot.check_nodes),
                ('camera', lambda: robot.check_camera(args.image_topic, args.seconds)),
            ]
            for check in checks:
                found = run_check(check)
                if not rclpy.ok():
                    break
                yield from found
            else:
                finished = True
            node.destroy_node()
    except Exception as error:
        # rclpy's own kinds: no such middleware, no keys for a secured domain, no network
        text = f'no program can take part in ROS here: {type(error).__name__}: {error}'
        do = 'look at RMW_IMPLEMENTATION, ROS_DOMAIN_ID and ROS_SECURITY_ENABLE in this shell'
        yield CheckResult('transport', PROBLEM, text, do)
        return
    if not finished:
        raise KeyboardInterrupt


def _skipped(*names: str) -> Iterator[CheckResult]:
    for name in names:
        yield CheckResult(name, WARNING, _SKIPPED)


def _examine(args: argparse.Namespace) -> Iterator[tuple[str, Iterator[CheckResult]]]:
    """Return the sections with their findings, each looked at when it is asked for."""
    software = list(_guarded(check_software()))
    yield 'software', iter(software)
    libraries = all(finding.status != PROBLEM for finding in software)
    missing = _skipped('model', 'detectors', 'speed')
    yield 'recognition', _recognition(args) if libraries else missing
    ros = list(_guarded(check_ros_setup()))
    yield 'ROS 2', iter(ros)
    ready = libraries and all(finding.status != PROBLEM for finding in ros)
    missing = _skipped('transport', 'images', 'node', 'camera')
    yield 'this robot', _robot(args) if ready else missing


def run(args: argparse.Namespace) -> int:
    """Look at everything; 0 where nothing is a problem, 1 otherwise."""
    # where ROS comes from wheels this starts the interpreter anew: before anything is printed
    check_ros()
    findings: list[CheckResult] = []
    for title, section in _examine(args):
        if not args.json:
            print(title, flush=True)
        for finding in section:
            findings.append(finding)
            if not args.json:
                print(finding.lines(), flush=True)
    if args.json:
        print(json.dumps(summary(findings), indent=2, default=str))
    else:
        print(last_line(findings))
    return 1 if any(finding.status == PROBLEM for finding in findings) else 0


def main(arguments: list[str] | None = None) -> int:
    """Run the doctor alone, without what the other subcommands need."""
    parser = argparse.ArgumentParser(
        prog='emotion-perception doctor',
        description='Check this installation, the camera and the running node, and say what to fix.',
    )
    add_options(parser)
    args = parser.parse_args(arguments)
    try:
        return args.run(args)
    except KeyboardInterrupt:
        return 130


if __name__ == '__main__':
    sys.exit(main())
