# SPDX-License-Identifier: Apache-2.0
"""`emotion-perception doctor`: checks an installation, the camera and the node; gives advice."""
