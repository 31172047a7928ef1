# SPDX-License-Identifier: Apache-2.0
"""The views of an image: together they show every place at every size, at a limited number."""

import numpy as np
import pytest

from emotion_perception.detection.views import (
    FAR_TILE_PX,
    MAX_FAR_VIEWS,
    ViewCycle,
    turned_views,
    upright_views,
)

SIZES = [(640, 480), (1280, 720), (1920, 1080), (480, 640), (7680, 960), (320, 240), (1, 1)]


@pytest.mark.parametrize('size', SIZES)
def test_the_far_views_cover_the_image_and_overlap(size):
    views = [view for view in upright_views(*size) if view.kind == 'far']
    assert len(views) <= MAX_FAR_VIEWS
    covered = np.zeros((96, 96), int)
    at = np.stack(np.meshgrid(*[(np.arange(96) + 0.5) / 96 * length for length in size]), -1)
    for view in views:
        covered += (np.abs(at - view.center) <= view.side / 2 + 1e-6).all(-1)
    assert not views or covered.min() >= 1
    # a face of a fifteenth of the image lies in one of them as a whole, wherever it is
    face = max(size) / 15
    for x in np.linspace(face / 2, size[0] - face / 2, 23):
        for y in np.linspace(face / 2, size[1] - face / 2, 23):
            whole = [
                max(abs(view.center[0] - x), abs(view.center[1] - y)) + face / 2
                <= view.side / 2 + 1e-6
                for view in views
            ]
            assert not views or any(whole) or min(size) < face


@pytest.mark.parametrize(
    ('size', 'count', 'side'),
    [((640, 480), 4, 352), ((1280, 720), 8, 424), ((320, 240), 0, 0), ((1920, 1080), 8, 636)],
)
def test_far_views_are_small_enough_or_as_small_as_their_number_allows(size, count, side):
    views = upright_views(*size)[2:]
    assert len(views) == count
    assert all(view.side == pytest.approx(side, abs=1) for view in views)
    assert side <= FAR_TILE_PX * 1.6


def test_the_first_views_show_the_whole_image():
    whole, near = upright_views(640, 480)[:2]
    assert (whole.kind, whole.center, whole.side) == ('whole', (320, 240), 640)
    assert (near.kind, near.center, near.side) == ('near', (320, 240), 960)
    turned = turned_views(640, 480)
    assert [view.angle_deg for view in turned] == [90, -90, 180]
    assert {(view.kind, view.center, view.side) for view in turned} == {
        ('turned', (320, 240), 640)
    }


def test_the_cycles():
    upright, turned = upright_views(640, 480), turned_views(640, 480)
    cycle = ViewCycle(upright, turned)
    assert cycle.upright == upright
    assert cycle.next_idle(8) == [*upright, turned[0], upright[0]]
    assert cycle.next_idle(13)[5::7] == [turned[1], turned[2]]
    whole, *others = upright
    beside = [cycle.next_tracking() for _ in range(18)]
    assert beside[::2] == [whole] * 9
    assert beside[1::2] == [*others, *turned, others[0]]
    alone = ViewCycle([whole], [])
    assert [alone.next_tracking() for _ in range(3)] == alone.next_idle(3) == [whole] * 3
