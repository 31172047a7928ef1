# SPDX-License-Identifier: Apache-2.0
"""Read Markdown tables."""


def cells_of(table):
    """Return the cells of each line, the line below the header included, without spaces."""
    return [[cell.strip() for cell in line.split('|')[1:-1]] for line in table.splitlines()]
