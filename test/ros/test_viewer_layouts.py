# SPDX-License-Identifier: Apache-2.0
"""The layouts for Foxglove and RViz show what exists; the two programs themselves are not run."""

import json
import re
from pathlib import Path

import pytest
import yaml
from diagnostic_msgs.msg import DiagnosticArray
from foxglove import layouts
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


@pytest.mark.parametrize('panel', PANELS)
def test_foxglove_knows_each_panel_and_its_settings(panel):
    """Its library refuses settings that it does not know, and writes those that it does."""

    def snake_case(value):
        if not isinstance(value, dict):
            return value
        words = {name: re.sub('([A-Z])', r'_\1', name).lower() for name in value}
        return {words[name]: snake_case(inner) for name, inner in value.items()}

    kind = panel.partition('!')[0]
    make = {
        'Image': lambda image_mode: layouts.ImageConfig(
            image_mode=layouts.ImageModeConfig(**image_mode)
        ),
        'Plot': lambda paths, title, **more: layouts.PlotConfig(
            paths=[layouts.PlotSeries(**snake_case(path)) for path in paths], **more
        ),
        'RawMessages': layouts.RawMessagesConfig,
        'DiagnosticSummary': layouts.DiagnosticsSummaryConfig,
    }
    config = make[kind](**snake_case(PANELS[panel]))
    written = json.loads(config.to_json())
    for name in PANELS[panel].keys() - {'title', 'paths'}:
        assert written[name] == PANELS[panel][name]
    for path, series in zip(PANELS[panel].get('paths', []), written.get('paths', []), strict=True):
        assert path.items() <= series.items()


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


def test_rviz_shows_image_markers_and_frames():
    manager = yaml.safe_load((CONFIG / 'emotion_perception.rviz').read_text())[
        'Visualization Manager'
    ]
    displays = {one['Class'].partition('/')[2]: one for one in manager['Displays']}
    assert displays.keys() == {'Grid', 'Image', 'MarkerArray', 'TF'}
    assert all(one['Enabled'] and one['Value'] for one in displays.values())
    assert TOPICS[displays['Image']['Topic']['Value']] is Image
    source = (CONFIG.parent / 'emotion_perception' / 'ros' / 'marker_publisher.py').read_text()
    assert f"TOPIC = '{displays['MarkerArray']['Topic']['Value'].removeprefix('/')}'" in source
    source = (CONFIG.parent / 'emotion_perception' / 'ros' / 'camera_node.py').read_text()
    assert f"'frame_id', '{manager['Global Options']['Fixed Frame']}'" in source
