# SPDX-License-Identifier: Apache-2.0
"""`emotion-training predict` is `emotion-perception image`."""

import pytest

from emotion_perception import cli as runtime_cli
from emotion_perception.imaging.sources import portrait_path
from emotion_training import cli


@pytest.mark.parametrize(
    ('arguments', 'code'),
    [(['{}'], 0), (['--crops', '{}', '--json'], 0), (['none.png', '--head', 'fer2013'], 1)],
)
def test_predict_is_the_same_command_as_image(capsys, tmp_path, monkeypatch, arguments, code):
    monkeypatch.chdir(tmp_path)
    arguments = [argument.format(portrait_path()) for argument in arguments]
    assert runtime_cli.main(['image', *arguments]) == code
    expected = capsys.readouterr().out
    assert cli.main(['predict', *arguments]) == code
    assert capsys.readouterr().out == expected
    assert bool(expected) == (code == 0)
    assert list(tmp_path.iterdir()) == []
