# SPDX-License-Identifier: Apache-2.0
"""The subcommand `doctor` of `emotion-perception`, which also runs without libraries and ROS."""

import argparse
import json
from collections.abc import Iterable, Iterator

from emotion_perception.doctor.check_result import (
    PROBLEM,
    WARNING,
    Check,
    CheckResult,
    run_check,
    summarize,
    summary_line,
)
from emotion_perception.doctor.ros_setup import check_ros, check_transport, ros_checks
from emotion_perception.doctor.software import software_checks

_LONGEST_S = 60.0
_DESCRIPTION = (
    'Check this installation, the camera and the running node, and say how to fix them. '
    'Exit code 0 if there is no problem, 1 otherwise.'
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the subcommand."""
    parser.add_argument(
        '--image-topic', metavar='TOPIC', default='',
        help="the camera's topic (that of the node, or the only image topic)",
    )  # fmt: skip
    parser.add_argument(
        '--seconds', type=_seconds, default=3.0, help='how long to listen to the camera (3)'
    )
    parser.add_argument('--json', action='store_true', help='print one JSON object')
    parser.add_argument('--detector', default='', help='the detector in use (blazeface)')
    parser.add_argument('--detector-model', default='', help="that detector's model file")
    parser.add_argument('--model', default='', help='another classifier: .tflite with its json')
    parser.set_defaults(run=run)


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add the subcommand to the parser of `emotion-perception`."""
    text = 'check this installation, the camera and the running node; say what to fix'
    add_options(commands.add_parser('doctor', help=text, description=_DESCRIPTION))


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 < value <= _LONGEST_S:
        raise argparse.ArgumentTypeError(f'{text} is not above 0 and at most {_LONGEST_S:g}')
    return value


def _run_checks(checks: Iterable[Check]) -> Iterator[CheckResult]:
    for check in checks:
        yield from run_check(check)


def _check_inference(args: argparse.Namespace) -> Iterator[CheckResult]:
    from emotion_perception.doctor.inference import Choice, inference_checks

    choice = Choice(args.detector, args.detector_model, args.model)
    yield from _run_checks(inference_checks(choice))


def _check_robot(args: argparse.Namespace) -> Iterator[CheckResult]:
    """
    Yield the checks that need a running ROS: transport, node and camera.

    Raises:
        KeyboardInterrupt: after Ctrl-C, which ROS handles itself.

    """
    import rclpy
    from rclpy.node import Node

    from emotion_perception.doctor.ros_graph import RosGraph
    from emotion_perception.doctor.transport import check_loopback
    from emotion_perception.ros.node_main import ros_context

    finished = False
    try:
        with ros_context([]):
            node = Node('emotion_perception_doctor', enable_rosout=False)
            middleware = rclpy.get_rmw_implementation_identifier()
            graph = RosGraph(node)
            checks: list[Check] = [
                ('transport', lambda: check_transport(middleware)),
                ('images', lambda: check_loopback(node)),
                ('node', graph.check_nodes),
                ('camera', lambda: graph.check_camera(args.image_topic, args.seconds)),
            ]
            for check in checks:
                results = run_check(check)
                if not rclpy.ok():
                    break
                yield from results
            else:
                finished = True
            node.destroy_node()
    except Exception as error:
        # rclpy has many: no keys for a secured domain, no network, an impossible domain
        text = f'ROS cannot start here: {type(error).__name__}: {error}'
        advice = 'check RMW_IMPLEMENTATION, ROS_DOMAIN_ID and ROS_SECURITY_ENABLE in this shell'
        yield CheckResult('transport', PROBLEM, text, advice)
        return
    # ros_context has handled the interrupt
    if not finished:
        raise KeyboardInterrupt


def _skip(*names: str) -> Iterator[CheckResult]:
    for name in names:
        yield CheckResult(name, WARNING, 'not checked: it needs what is missing above')


def _works(results: Iterable[CheckResult]) -> bool:
    return all(result.status != PROBLEM for result in results)


def check_everything(
    args: argparse.Namespace,
) -> Iterator[tuple[str, Iterable[CheckResult]]]:
    """Yield title and results of each section; the checks run while the results are read."""
    software = list(_run_checks(software_checks()))
    yield 'software', software
    libraries = _works(software)
    yield (
        'inference',
        _check_inference(args) if libraries else _skip('model', 'detectors', 'speed'),
    )
    ros = list(_run_checks(ros_checks()))
    yield 'ROS 2', ros
    ready = libraries and _works(ros)
    robot = _check_robot(args) if ready else _skip('transport', 'images', 'node', 'camera')
    yield 'this robot', robot


def run(args: argparse.Namespace) -> int:
    """Run all checks; return 0 if there is no problem, 1 otherwise."""
    # where ROS comes from wheels this restarts the interpreter: before anything is printed
    check_ros()
    results: list[CheckResult] = []
    for title, section in check_everything(args):
        if not args.json:
            print(title, flush=True)
        for result in section:
            results.append(result)
            if not args.json:
                print(result, flush=True)
    print(json.dumps(summarize(results), indent=2) if args.json else summary_line(results))
    return 0 if _works(results) else 1


def main(arguments: list[str] | None = None) -> int:
    """Run the doctor alone, without the imports of the other subcommands."""
    parser = argparse.ArgumentParser(prog='emotion-perception doctor', description=_DESCRIPTION)
    add_options(parser)
    try:
        return run(parser.parse_args(arguments))
    except KeyboardInterrupt:
        return 130
