# SPDX-License-Identifier: Apache-2.0
"""One harness for all tests: processes of the package, ROS peers, frames and recordings."""
