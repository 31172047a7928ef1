# SPDX-License-Identifier: Apache-2.0
"""An example behavior for a robot with a face: it answers the nearest person's expressions."""

import sys

from rclpy.node import Node

from emotion_perception.behavior import People, Person
from emotion_perception.ros.node_main import run_node


class Mirror(Node):
    """Publishes on `expression`, an hri_msgs/Expression."""

    def __init__(self) -> None:
        """Subscribe to the people."""
        from emotion_perception.ros.hri_publisher import Expression, to_expression

        super().__init__('mirror')
        self._to_expression = to_expression
        self._expression = self.create_publisher(Expression, 'expression', 10)
        self._people = People(self, on_expression=self._show)

    def _show(self, person: Person, before: str, now: str) -> None:
        nearest = self._people.nearest()
        if nearest and nearest.id == person.id:
            self._expression.publish(self._to_expression(person.face))


def main(args: list[str] | None = None) -> None:
    """Run the node until it is stopped."""
    try:
        run_node(Mirror, args, 'mirror')
    except ImportError as error:
        sys.exit(f'mirror: {error}; install hri_msgs (docs/install.md)')


if __name__ == '__main__':
    main()
