# SPDX-License-Identifier: Apache-2.0
"""An example behavior: it greets who appears, and says goodbye to who leaves after a smile."""

from rclpy.node import Node
from std_msgs.msg import String

from emotion_perception.behavior import People, Person
from emotion_perception.ros.node_main import run_node


class Greeter(Node):
    """Publishes on `say`."""

    def __init__(self) -> None:
        """Subscribe to the people."""
        super().__init__('greeter')
        self._say = self.create_publisher(String, 'say', 10)
        People(self, on_appear=self._greet, on_expression=self._answer, on_leave=self._part)

    def _greet(self, person: Person) -> None:
        self._say.publish(String(data='Hello!'))

    def _answer(self, person: Person, before: str, now: str) -> None:
        if now == 'happiness':
            self._say.publish(String(data='Good to see you.'))

    def _part(self, person: Person) -> None:
        if person.expression == 'happiness':
            self._say.publish(String(data='Goodbye!'))


def main(args: list[str] | None = None) -> None:
    """Run the node until it is stopped."""
    run_node(Greeter, args, 'greeter')


if __name__ == '__main__':
    main()
