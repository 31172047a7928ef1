# SPDX-License-Identifier: Apache-2.0
"""The nodes, their parameters, messages and diagnostics: everything that needs rclpy."""
