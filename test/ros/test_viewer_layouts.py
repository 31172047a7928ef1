# SPDX-License-Identifier: Apache-2.0
"""The layouts for Foxglove and RViz show what exists; the two programs themselves are not run."""

import json
import re
from pathlib import Path

import pytest
import yaml
from diagnostic_msgs.msg import DiagnosticArray
from sensor_msgs.msg import Image

from emotion_msgs.msg import Emotion, EmotionArray, PersonEvent
from emotion_perception.emotions import EMOTIONS

CONFIG = Path(__file__).parents[2] / 'config'
LAYOUT = json.loads((CONFIG / 'foxglove_layout.json').read_text())
PANELS = LAYOUT['configById']
TOPICS = {
    '/emotion': Emotion,
    '/emotion/faces': EmotionArray,
    '/emotion/events': PersonEvent,
    '/emotion/image': Image,
    '/diagnostics': DiagnosticArray,
}


def panels_in(layout):
    """Return the panels of a layout, which is a panel's name or two layouts."""
    if isinstance(layout, str):
        return [layout]
    return panels_in(layout['first']) + panels_in(layout['second'])


def test_each_panel_has_its_place():
    assert sorted(panels_in(LAYOUT['layout'])) == sorted(PANELS)


@pytest.mark.parametrize('panel', [name for name in PANELS if name.startswith('Plot')])
def test_plots_show_fields_that_exist(panel):
    for path in PANELS[panel]['paths']:
        topic, field, *deeper = path['value'].split('.')
        value = getattr(TOPICS[topic](), field.removesuffix('[0]'))
        if not deeper:
            assert isinstance(value, float)
            continue
        part, index = re.fullmatch(r'(\w+)\[(\d)\]', deeper[0]).groups()
        assert len(getattr(Emotion(), part)) == len(EMOTIONS)
        assert path['label'] == EMOTIONS[int(index)]


def test_the_other_panels_show_topics_of_the_node():
    topics = {
        PANELS['Image!annotated']['imageMode']['imageTopic'],
        PANELS['RawMessages!emotion']['topicPath'],
        PANELS['RawMessages!events']['topicPath'],
        PANELS['DiagnosticSummary!node']['topicToRender'],
    }
    assert topics < set(TOPICS)


def test_rviz_shows_the_image_and_the_frames():
    manager = yaml.safe_load((CONFIG / 'emotion_perception.rviz').read_text())[
        'Visualization Manager'
    ]
    displays = {one['Class'].partition('/')[2]: one for one in manager['Displays']}
    assert displays.keys() == {'Grid', 'Image', 'TF'}
    assert all(one['Enabled'] and one['Value'] for one in displays.values())
    topic = displays['Image']['Topic']
    assert TOPICS[topic['Value']] is Image
    # the node's publisher is reliable
    assert topic['Reliability Policy'] in ('Reliable', 'Best Effort')
    source = (CONFIG.parent / 'emotion_perception' / 'ros' / 'camera_node.py').read_text()
    assert f"'frame_id', '{manager['Global Options']['Fixed Frame']}'" in source
