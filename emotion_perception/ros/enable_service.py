# SPDX-License-Identifier: Apache-2.0
"""The service ~/enable: stops and resumes the reading of images of an active node."""

from collections.abc import Callable

from rclpy.node import Node
from std_srvs.srv import SetBool


class EnableService:
    """Switches the node; needs the package std_srvs, which every installation of ROS has."""

    def __init__(self, node: Node, switch: Callable[[bool], str]):
        """
        Create the service.

        Args:
            node: offers it.
            switch: reads images from now on, or not; returns why it cannot, else an empty text.

        """
        self._node, self._switch = node, switch
        self._service = node.create_service(SetBool, '~/enable', self._handle)

    def destroy(self) -> None:
        """Remove the service."""
        self._node.destroy_service(self._service)
        # a cycle: the node would stay in memory until the next garbage collection
        del self._service

    def _handle(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        response.message = self._switch(request.data)
        response.success = not response.message
        return response
