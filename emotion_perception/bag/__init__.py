# SPDX-License-Identifier: Apache-2.0
"""Recordings (rosbag2): process, play, record, compare, and report on the emotions in one."""
