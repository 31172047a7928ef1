"""Recordings (rosbag2): read the emotions of one, play it to a live node, make one, report on one."""
