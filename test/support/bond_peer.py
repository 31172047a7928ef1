# SPDX-License-Identifier: Apache-2.0
"""
The lifecycle manager's side of a bond, with the package bond alone; prints what the node sends.

Each change of the node's side is one line of json: [instance id, active]. The argument is the id
of the bond. SIGINT ends this side with a farewell.
"""

import json
import signal
import sys

import rclpy
from bond.msg import Status
from rclpy.duration import Duration
from rclpy.signals import SignalHandlerOptions

if __name__ == '__main__':
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    node = rclpy.create_node('manager')
    publisher = node.create_publisher(Status, 'bond', 5)
    seen = []

    def send(active):
        publisher.publish(Status(id=sys.argv[1], instance_id='manager', active=active))

    def receive(message):
        state = [message.instance_id, message.active]
        if message.id == sys.argv[1] and message.instance_id != 'manager' and seen[-1:] != [state]:
            seen.append(state)
            print(json.dumps(state), flush=True)

    node.create_subscription(Status, 'bond', receive, 100)
    interrupts = []
    signal.signal(signal.SIGINT, lambda *_: interrupts.append(True))
    while not interrupts:
        send(active=True)
        rclpy.spin_once(node, timeout_sec=0.05)
    send(active=False)
    publisher.wait_for_all_acked(Duration(seconds=1))
    node.destroy_node()
    rclpy.try_shutdown()
