# SPDX-License-Identifier: Apache-2.0
"""Which parameters other packages' messages need."""

import pytest

from emotion_perception.ros.publishers import extra_publishers

OFF = {
    'vision_msgs': False, 'hri_msgs': False, 'tf2_msgs': False, 'visualization_msgs': False,
    'hri_landmarks': False, 'tracking': True, 'head_pose': True,
}  # fmt: skip


def test_none_unless_asked():
    values = OFF | {'tracking': False, 'head_pose': False}
    assert extra_publishers(values) == []
    # without hri_msgs it does nothing
    assert extra_publishers(values | {'hri_landmarks': True}) == []


@pytest.mark.parametrize(
    ('values', 'message'),
    [
        ({'hri_msgs': True, 'tracking': False}, 'set tracking to true, or hri_msgs to false'),
        ({'tf2_msgs': True, 'tracking': False}, 'set tracking to true, or tf2_msgs to false'),
        ({'tf2_msgs': True, 'head_pose': False}, 'set head_pose to true, or tf2_msgs to false'),
        (
            {'hri_msgs': True, 'hri_landmarks': True, 'head_pose': False},
            'set head_pose to true, or hri_landmarks to false',
        ),
    ],
)
def test_parameters_that_contradict_each_other(values, message):
    with pytest.raises(ValueError, match=f'; {message}$'):
        extra_publishers(OFF | values)
