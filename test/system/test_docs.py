"""The documents say what is true."""

import importlib.util
import json
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
README = (ROOT / 'README.md').read_text()


def test_generated_parts_are_up_to_date():
    spec = importlib.util.spec_from_file_location('update', ROOT / 'docs' / 'update.py')
    update = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(update)
    checked = dict(update.documents())
    assert {path.name for path in checked} == {
        'README.md', 'model_card.md', 'experiments.md', 'performance.md', 'reliability.md',
    }  # fmt: skip
    for path, text in checked.items():
        assert path.read_text() == text, f'{path.name}: run `make docs`'


def test_links_and_pictures_exist():
    for document in (ROOT / 'README.md', *(ROOT / 'docs').glob('*.md')):
        targets = re.findall(r'\]\(([^)#:]+)\)', document.read_text())
        missing = [target for target in targets if not (document.parent / target).exists()]
        assert missing == [], document.name
    assert len(re.findall(r'\]\(', README)) >= 4


def test_its_make_commands_exist():
    named = set(re.findall(r'\bmake (\w+)', README))
    assert {'demo', 'test'} <= named
    for target in named:
        subprocess.run(['make', '-n', target], cwd=ROOT, check=True, capture_output=True)


def test_its_launch_arguments_are_those_of_the_launch_file():
    source = (ROOT / 'launch' / 'emotion_perception.launch.py').read_text()
    declared = set(re.findall(r"^    '(\w+)': ", source, re.MULTILINE))
    section = README.split('### Launch arguments')[1].split('\n## ')[0]
    assert set(re.findall(r'`(\w+)`', section)) == declared


def test_the_model_card_is_about_the_packaged_model():
    packaged = json.loads(
        (ROOT / 'emotion_perception' / 'models' / 'expression_net.json').read_text()
    )
    (scored,) = json.loads((ROOT / 'docs' / 'lab' / 'records' / 'model_scores.json').read_text())['models']
    spoilt = json.loads((ROOT / 'docs' / 'lab' / 'records' / 'model_robustness.json').read_text())
    hashes = {scored['sha256'], *(part['sha256'] for part in spoilt.values())}
    assert hashes == {packaged['sha256']}
    for name, told in packaged['scores'].items():
        assert {key: scored['questions'][name][key] for key in told} == told
