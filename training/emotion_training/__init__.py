"""Build a FER2013-style dataset, learn from it, judge the result and export it for the robot."""
