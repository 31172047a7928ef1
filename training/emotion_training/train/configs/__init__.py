# SPDX-License-Identifier: Apache-2.0
"""Training recipes: each module has a docstring with its command, and a `config`."""
