# SPDX-License-Identifier: Apache-2.0
"""`emotion-perception live`: what the node publishes, on a page in the browser."""

PICTURES = ('blurred', 'full', 'none')
"""What the page shows of `emotion/image`; the first is the default."""
