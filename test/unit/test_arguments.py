# SPDX-License-Identifier: Apache-2.0
"""Numbers on the command line."""

import argparse

import pytest

from emotion_perception.arguments import fraction, positive_number, whole_number


@pytest.mark.parametrize(
    ('parse', 'good', 'bad'),
    [
        (whole_number, {'1': 1, '007': 7}, ('0', '-3', '1.5', 'many', '', '²')),
        (positive_number, {'0.5': 0.5, '2': 2.0}, ('0', '-1', 'nan', 'inf', 'fast')),
        (fraction, {'0': 0.0, '1': 1.0, '0.25': 0.25}, ('-0.1', '1.01', 'nan', 'half')),
    ],
)
def test_numbers(parse, good, bad):
    assert {text: parse(text) for text in good} == good
    for text in bad:
        with pytest.raises(argparse.ArgumentTypeError, match=f'^{text} is not '):
            parse(text)
