# SPDX-License-Identifier: Apache-2.0
"""How fast the node is, what it costs, and how it compares with other packages."""
