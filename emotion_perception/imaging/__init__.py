# SPDX-License-Identifier: Apache-2.0
"""Image input: ROS encodings, compressed images, files, cameras and videos."""
