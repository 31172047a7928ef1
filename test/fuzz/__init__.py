# SPDX-License-Identifier: Apache-2.0
"""Broken images and messages for what reads them; `make fuzz`."""
