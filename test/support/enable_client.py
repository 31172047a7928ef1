# SPDX-License-Identifier: Apache-2.0
"""A program that uses std_srvs alone: calls the node's ~/enable with on or off, prints json."""

import json
import sys

import rclpy
from std_srvs.srv import SetBool

if __name__ == '__main__':
    rclpy.init()
    node = rclpy.create_node('enable_client')
    client = node.create_client(SetBool, '/emotion_perception/enable')
    client.wait_for_service(20)
    future = client.call_async(SetBool.Request(data=sys.argv[1] == 'on'))
    rclpy.spin_until_future_complete(node, future, timeout_sec=20)
    answer = future.result()
    print(json.dumps([answer.success, answer.message]), flush=True)
    node.destroy_node()
    rclpy.try_shutdown()
