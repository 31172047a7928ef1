# SPDX-License-Identifier: Apache-2.0
"""An example behavior: it offers help once to each person whose sad expression lasts."""

from rclpy.node import Node
from std_msgs.msg import String

from emotion_perception.behavior import People
from emotion_perception.ros.node_main import run_node

LASTS_S = 3.0
"""How long a person must look sad, in seconds."""


class Comforter(Node):
    """Publishes on `say`."""

    def __init__(self) -> None:
        """Subscribe to the people, and ask twice a second who looks sad."""
        super().__init__('comforter')
        self._comforted: set[int] = set()
        self._say = self.create_publisher(String, 'say', 10)
        self._people = People(self, on_leave=lambda person: self._comforted.discard(person.id))
        self.create_timer(0.5, self._comfort)

    def _comfort(self) -> None:
        for person in self._people.people():
            sad = person.expression == 'sadness' and person.expression_for_s >= LASTS_S
            if sad and person.id not in self._comforted:
                self._comforted.add(person.id)
                self._say.publish(String(data='Is there something I can do for you?'))


def main(args: list[str] | None = None) -> None:
    """Run the node until it is stopped."""
    run_node(Comforter, args, 'comforter')


if __name__ == '__main__':
    main()
