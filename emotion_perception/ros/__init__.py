"""The ROS side: nodes, parameters, messages and diagnostics. Nothing outside this folder defines a node."""
