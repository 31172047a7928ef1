# SPDX-License-Identifier: Apache-2.0
"""Build a FER2013-style dataset, train and evaluate a model on it and export it for the robot."""
