"""One harness for all tests: processes of the package, ROS peers, frames and recordings."""
