# SPDX-License-Identifier: Apache-2.0
"""A long run with people who come and go: does memory, or anything else of the node, grow."""
