# SPDX-License-Identifier: Apache-2.0
"""The documents are up to date, their links exist, and the real parsers accept their commands."""

import argparse
import ast
import importlib
import importlib.util
import json
import re
import runpy
import shlex
import sys
import warnings
from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from emotion_perception.ros.diagnostics import NodeStatus, to_diagnostic_status
from emotion_perception.ros.frame_statistics import FrameStatistics
from emotion_perception.ros.parameters import PARAMETERS
from emotion_perception.tracking import TrackingSettings

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / 'README.md', *sorted((ROOT / 'docs').rglob('*.md'))]
NAMES = [str(path.relative_to(ROOT)) for path in DOCUMENTS]
TEXTS = dict(zip(NAMES, (path.read_text() for path in DOCUMENTS), strict=True))
MAKEFILE = (ROOT / 'Makefile').read_text()
RECORDS = ROOT / 'docs' / 'lab' / 'records'

EXECUTABLES = dict(
    re.findall(r"'([\w-]+) = ([\w.:]+)'", (ROOT / 'setup.py').read_text())
    + re.findall(r"^([\w-]+) = '([\w.:]+)'$", (ROOT / 'training/pyproject.toml').read_text(), re.M)
)
"""Name -> module:function."""

OTHER_PROGRAMS = {
    'apt', 'cd', 'colcon', 'dask', 'docker', 'export', 'git', 'ln', 'pip', 'python3', 'rosdep',
    'source', 'ssh', 'sudo', 'unzip',
}  # fmt: skip
"""Programs in the documents that are not ours; only the files in their arguments are checked."""

OTHER_ROS2_VERBS = {
    'bag',
    'interface',
    'lifecycle',
    'param',
    'pkg',
    'security',
    'service',
    'topic',
}


def code_blocks(language):
    return [
        pytest.param(block, id=f'{name}:{text[: text.index(block)].count(chr(10)) + 1}')
        for name, text in TEXTS.items()
        for block in re.findall(rf'^```{language}\n(.*?)^```$', text, re.M | re.S)
    ]


def without_code(text):
    return re.sub(r'^```.*?^```$', '', text, flags=re.M | re.S)


def inline_code(name):
    return [
        span.replace('\n', ' ') for span in re.findall(r'`([^`]+)`', without_code(TEXTS[name]))
    ]


def simple_commands(script):
    """Return the commands of a script as words, with the first value of each loop variable."""
    script = re.sub(r'<\(.*\)|\$\(.*?\)', 'SUBSTITUTED', script.replace('\\\n', ' '))
    values = dict(re.findall(r'\bfor (\w+) in (\S+)', script))
    script = re.sub(
        r'\$\{?(\w+)\}?', lambda found: values.get(found[1], found[0]).rstrip(';'), script
    )
    for line in script.splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars='&|;')
        lexer.whitespace_split = True
        words = []
        for word in [*lexer, ';']:
            if not set(word) <= set('&|;'):
                words.append(word)
                continue
            while words and (words[0] in ('do', 'done') or re.match(r'\w+=', words[0])):
                del words[0]
            if words and words[0] != 'for':
                yield words
            words = []


class Parsed(Exception):
    """The arguments were accepted."""


def run(target):
    """Run `module:function`, or a module as `python -m` does."""
    module, _, function = target.partition(':')
    if function:
        return getattr(importlib.import_module(module), function)()
    with warnings.catch_warnings():
        # the module may be imported already
        warnings.simplefilter('ignore', RuntimeWarning)
        return runpy.run_module(module, run_name='__main__')


def parse(monkeypatch, target, arguments):
    """Run a program until its arguments are parsed."""
    real = argparse.ArgumentParser.parse_args

    def stop_after_parsing(self, args=None, namespace=None):
        real(self, args, namespace)
        raise Parsed

    monkeypatch.setattr(argparse.ArgumentParser, 'parse_args', stop_after_parsing)
    monkeypatch.setattr(sys, 'argv', [target, *arguments])
    with pytest.raises(Parsed):
        run(target)


def check_ros_arguments(executable, arguments):
    """Check the parameters that a node is started with."""
    assert not arguments or arguments[0] == '--ros-args', arguments
    source = importlib.util.find_spec(f'emotion_perception.ros.{executable}').origin
    defaults = {spec.name: spec.default for spec in PARAMETERS}
    for option, value in pairwise(arguments):
        if option != '-p':
            continue
        name, _, text = value.partition(':=')
        given = yaml.safe_load(text)
        if executable == 'emotion_node':
            assert type(given) is type(defaults[name]), value
        else:
            assert f"'{name}'" in Path(source).read_text(), value
            assert name != 'source' or isinstance(given, (int, str)), value


def launch_arguments(file):
    """Return the arguments that a launch file declares, or that the file it includes does."""
    text = (ROOT / 'launch' / file).read_text()
    names = set(re.findall(r"DeclareLaunchArgument\(\s*'(\w+)'", text))
    for node in ast.parse(text).body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict):
            names |= {key.value for key in node.value.keys}
    return names


def check_make(monkeypatch, words):
    for word in words:
        variable, is_variable, value = word.partition('=')
        if not is_variable:
            assert re.search(rf'^{re.escape(word)}:', MAKEFILE, re.M), f'there is no make {word}'
            continue
        assert f'$({variable}' in MAKEFILE or f'(if $({variable}' in MAKEFILE, word
        program = re.search(rf'python -m ([\w.]+).*\$\({variable}\)$', MAKEFILE, re.M)
        if program:
            parse(monkeypatch, program[1], shlex.split(value))


def check_ros2(monkeypatch, words):
    verb, *rest = words
    if verb == 'run' and rest[0] == 'emotion_perception':
        check_command(monkeypatch, rest[1:])
    elif verb == 'launch':
        assert rest[0] == 'emotion_perception'
        assert (ROOT / 'launch' / rest[1]).is_file(), rest[1]
        given = {word.split(':=')[0] for word in rest[2:] if word != '--show-args'}
        assert given <= launch_arguments(rest[1])
    else:
        assert verb in OTHER_ROS2_VERBS, words


def check_files_to_install(words):
    for option, file in pairwise(words):
        if option in ('-f', '-r'):
            assert (ROOT / file.removeprefix('src/emotion_perception/')).is_file(), file


def check_command(monkeypatch, words):
    """Check one command line of a document."""
    program, *arguments = words
    if program == 'make':
        check_make(monkeypatch, arguments)
    elif program == 'ros2':
        check_ros2(monkeypatch, arguments)
    elif program in ('emotion-perception', 'emotion-training'):
        parse(monkeypatch, EXECUTABLES[program], arguments)
        if arguments[0] == 'train':
            importlib.import_module(f'emotion_training.train.configs.{arguments[1]}')
    elif program in EXECUTABLES:
        check_ros_arguments(program, arguments)
    elif words[:3] == ['python', '-m', 'pytest']:
        assert all((ROOT / file).is_file() for file in words[3:])
    elif words[:2] == ['python', '-m']:
        parse(monkeypatch, words[2], words[3:])
    else:
        assert program in OTHER_PROGRAMS, f'{program} is neither ours nor known'
        check_files_to_install(arguments)


def check_mentioned(monkeypatch, capsys, words):
    """Check a command in running text, which may lack arguments: subcommands and options exist."""
    program, *arguments = words
    if program == 'make':
        check_make(monkeypatch, arguments)
    elif program == 'ros2' and len(arguments) > 1 and arguments[0] in ('run', 'launch'):
        check_ros2(monkeypatch, arguments)
    elif program in ('emotion-perception', 'emotion-training') and arguments:
        verbs = [word for word in arguments if re.fullmatch(r'[a-z-]+', word)]
        verbs = verbs[: 2 if verbs[0] == 'bag' else 1]
        monkeypatch.setattr(sys, 'argv', [program, *verbs, '--help'])
        with pytest.raises(SystemExit) as end:
            run(EXECUTABLES[program])
        printed = capsys.readouterr()
        assert end.value.code == 0, printed.err
        options = {word for word in arguments if re.fullmatch('-[a-z]|--[a-z-]+', word)}
        assert options <= set(re.findall(r'(?<!\w)--?[a-z][a-z-]*', printed.out))
    elif words[:2] == ['python', '-m']:
        parse(monkeypatch, words[2], words[3:])


@pytest.mark.parametrize('script', code_blocks('bash'))
def test_the_commands_in_code_blocks_are_valid(monkeypatch, script):
    for words in simple_commands(script):
        check_command(monkeypatch, words)


@pytest.mark.parametrize('name', NAMES)
def test_the_commands_in_running_text_are_valid(monkeypatch, capsys, name):
    for span in inline_code(name):
        words = shlex.split(span) if span.count("'") % 2 == 0 and span.count('"') % 2 == 0 else []
        if len(words) > 1:
            check_mentioned(monkeypatch, capsys, words)


@pytest.mark.parametrize('script', code_blocks('python'))
def test_the_python_examples_import_what_exists(script):
    for node in ast.walk(ast.parse(script)):
        if isinstance(node, ast.ImportFrom):
            module = importlib.import_module(node.module)
            assert all(hasattr(module, alias.name) for alias in node.names)
        elif isinstance(node, ast.Import):
            assert all(importlib.import_module(alias.name) for alias in node.names)


def anchors(path):
    """Return the anchors of the headings of a page, as GitHub makes them."""
    headings = re.findall(r'^#+ (.+)$', without_code(path.read_text()), re.M)
    return {re.sub(r'[^\w\- ]', '', heading.lower()).replace(' ', '-') for heading in headings}


@pytest.mark.parametrize('name', NAMES)
def test_links_images_and_files_exist(name):
    page = ROOT / name
    for target in re.findall(r'\]\(([^)\s]+)\)', TEXTS[name]):
        if target.startswith('https:'):
            continue
        file, _, anchor = target.partition('#')
        linked = page.parent / file if file else page
        assert linked.exists(), target
        assert not anchor or anchor in anchors(linked), target
    folders = '|'.join(path.name for path in ROOT.iterdir() if path.is_dir())
    for span in inline_code(name):
        if re.fullmatch(rf'({folders})/[\w./]+', span):
            generated = span.split('/')[0] in ('demo', 'fuzz', 'install') or '/out/' in span
            assert generated or (ROOT / span).exists(), span


def test_the_tests_that_a_page_names_exist():
    named = [
        name for text in TEXTS.values() for name in re.findall(r'`(test/[\w/.]+::\w+)`', text)
    ]
    assert len(named) > 15
    for name in named:
        path, _, function = name.partition('::')
        assert f'def {function}(' in (ROOT / path).read_text(), name


def test_every_page_is_in_the_index():
    index = TEXTS['docs/README.md']
    for path in DOCUMENTS[1:]:
        page = str(path.relative_to(ROOT / 'docs'))
        assert page == 'README.md' or f']({page})' in index


def test_what_the_containers_copy_and_run_exists():
    lines = (ROOT / 'bootstrap' / 'Dockerfile').read_text().splitlines()
    copied = [name for line in lines if line.startswith('COPY ') for name in line.split()[1:-1]]
    assert len(copied) == 5
    assert [name for name in copied if not (ROOT / name).exists()] == []
    container = json.loads((ROOT / '.devcontainer' / 'devcontainer.json').read_text())
    assert (ROOT / '.devcontainer' / container['build']['dockerfile']).is_file()
    assert (ROOT / container['postCreateCommand'].split()[0]).is_file()


def test_the_readme_stays_short():
    assert len(TEXTS['README.md'].splitlines()) < 150


def test_the_sections_that_messages_name_exist():
    """A message refers to `docs/page.md`, or to a section: `docs/page.md, "Heading"`."""
    headings = {name: re.findall(r'^#+ (.*)$', text, re.M) for name, text in TEXTS.items()}
    named = set()
    for folder in ('emotion_perception', 'launch', 'training/emotion_training'):
        for path in (ROOT / folder).rglob('*.py'):
            for text in (
                node.value
                for node in ast.walk(ast.parse(path.read_text()))
                if isinstance(node, ast.Constant) and isinstance(node.value, str)
            ):
                named |= set(
                    re.findall(r'(README(?:\.md)?|docs/[\w/]+\.md)(.{0,3}"[^"]+")?', text)
                )
    assert len(named) > 5
    for page, section in named:
        page = page.removesuffix('.md') + '.md'
        assert page in TEXTS
        # `README: Topics` names no section that anybody can find
        assert section or page != 'README.md', f'name a section of {page}'
        assert not section or section.split('"')[1] in headings[page], (page, section)


def test_generated_parts_are_up_to_date():
    spec = importlib.util.spec_from_file_location('update', ROOT / 'docs' / 'update.py')
    update = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(update)
    made = dict(update.documents())
    assert {path for path in DOCUMENTS if '<!-- generated:' in path.read_text()} == set(made)
    for path, text in made.items():
        assert path.read_text() == text, f'{path.name}: run `make docs`'


def test_the_launch_arguments_in_the_manual_are_those_of_the_launch_file():
    section = TEXTS['docs/node.md'].split('## Launch arguments')[1].split('\n## ')[0]
    described = set(re.findall(r'^\| `(\w+)` \|', section, re.M))
    assert described == launch_arguments('emotion_perception.launch.py')


def test_the_diagnostics_keys_in_the_manual_are_those_of_the_node():
    section = TEXTS['docs/node.md'].split('## Diagnostics')[1].split('\n## ')[0]
    rows = re.findall(r'^\| (`.*?) \|', section, re.M)
    described = set(re.findall(r'`([^`]+)`', ' '.join(rows)))
    while_configured = {
        'model', 'model_sha256', 'head', 'runtime', 'detector', 'tracked_faces', 'rotate',
    }  # fmt: skip
    while_configured |= {f'faces_turned_{turn}_deg' for turn in (0, 90, 180, 270)}
    status = to_diagnostic_status('node', NodeStatus('active'), FrameStatistics())
    always = {value.key for value in status.values}
    while_active = {'camera_geometry', 'camera_geometry_problem'}
    by_kind = {'images_failed_<kind>', 'images_repaired_<kind>'}
    assert described == always | while_configured | while_active | by_kind


def test_the_model_card_is_about_the_packaged_model():
    packaged = json.loads(
        (ROOT / 'emotion_perception' / 'models' / 'expression_net.json').read_text()
    )
    (scored,) = json.loads((RECORDS / 'model_scores.json').read_text())['models']
    robustness = json.loads((RECORDS / 'model_robustness.json').read_text())
    hashes = {scored['sha256'], *(part['sha256'] for part in robustness.values())}
    assert hashes == {packaged['sha256']}
    for name, scores in packaged['scores'].items():
        assert {key: scored['questions'][name][key] for key in scores} == scores


def test_what_the_model_card_says_of_the_default_threshold():
    """Of the faces that are named under any corruption at most 15 % are named wrong."""
    measured = json.loads((RECORDS / 'model_robustness.json').read_text())['corruptions']
    assert measured['uncertain_below'] == TrackingSettings().uncertain_below
    rows = [row for each in measured['corruptions'].values() for row in each['at']]
    assert len(rows) == 50
    assert min(row['accuracy_of_answered'] for row in rows) >= 0.85
