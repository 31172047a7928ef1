# SPDX-License-Identifier: Apache-2.0
"""Files and folders are written whole or not at all."""

from pathlib import Path

import pytest

from emotion_perception.files import check_outputs, whole_output


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_and_a_folder(tmp_path):
    with whole_output(tmp_path / 'a' / 'page') as partial:
        partial.write_text('new')
        assert names(tmp_path / 'a') == ['page.partial']
    with whole_output(tmp_path / 'b') as partial:
        partial.mkdir()
        (partial / 'one').write_text('1')
    assert (tmp_path / 'a' / 'page').read_text() == 'new'
    assert (tmp_path / 'b' / 'one').read_text() == '1'
    assert (names(tmp_path), names(tmp_path / 'a')) == (['a', 'b'], ['page'])


@pytest.mark.parametrize('error', [OSError('full'), KeyboardInterrupt()])
def test_an_error_leaves_nothing(tmp_path, error):
    def write():
        with whole_output(tmp_path / 'out') as partial:
            partial.write_text('half')
            raise error

    with pytest.raises(type(error)):
        write()
    assert names(tmp_path) == []


def test_an_existing_file_is_only_replaced_on_request(tmp_path):
    (tmp_path / 'out').write_text('old')
    with pytest.raises(FileExistsError, match='exists already'), whole_output(tmp_path / 'out'):
        pass
    with whole_output(tmp_path / 'out', replace=True) as partial:
        partial.write_text('new')
    assert (tmp_path / 'out').read_text() == 'new'


def test_a_file_that_is_created_meanwhile_is_not_overwritten(tmp_path):
    def write():
        with whole_output(tmp_path / 'out') as partial:
            partial.write_text('mine')
            (tmp_path / 'out').write_text('theirs')

    with pytest.raises(FileExistsError, match='created meanwhile'):
        write()
    assert (tmp_path / 'out').read_text() == 'theirs'
    assert names(tmp_path) == ['out']


def test_what_a_killed_run_left_is_replaced_and_other_files_stay(tmp_path):
    left = tmp_path / 'out.partial'
    left.mkdir()
    (left / 'letter').write_text('mine')
    with pytest.raises(FileExistsError, match='is in the way'), whole_output(tmp_path / 'out'):
        pass
    assert (left / 'letter').read_text() == 'mine'
    (left / '.unfinished').touch()
    (left / 'output').mkdir()
    with whole_output(tmp_path / 'out') as partial:
        partial.write_text('new')
    assert names(tmp_path) == ['out']


def test_two_runs_do_not_write_the_same_output(tmp_path):
    with whole_output(tmp_path / 'out') as partial:
        partial.write_text('first')
        with pytest.raises(FileExistsError, match='another run'), whole_output(tmp_path / 'out'):
            pass
    assert (tmp_path / 'out').read_text() == 'first'


def test_links_are_not_followed(tmp_path):
    (tmp_path / 'elsewhere').mkdir()
    (tmp_path / 'out').symlink_to(tmp_path / 'elsewhere' / 'new')
    (tmp_path / 'two.partial').symlink_to(tmp_path / 'elsewhere')
    for name, message in (('out', 'exists already'), ('two', 'is in the way')):
        with pytest.raises(FileExistsError, match=message), whole_output(tmp_path / name):
            pass
    assert names(tmp_path / 'elsewhere') == []


def test_an_output_never_destroys_an_input(tmp_path):
    folder, film = tmp_path / 'in', tmp_path / 'film'
    folder.mkdir()
    film.write_text('film')
    (tmp_path / 'hard').hardlink_to(film)
    check_outputs([tmp_path / 'new'], [film, folder])
    check_outputs([tmp_path / 'into'], [folder])  # its name starts alike
    for out in (film, tmp_path / 'hard', tmp_path / 'in' / '..' / 'film', folder):
        with pytest.raises(FileExistsError, match='is an input'):
            check_outputs([out], [film, folder], replace=True)
    with pytest.raises(FileExistsError, match='lies in the input folder'):
        check_outputs([folder / 'sub' / 'page'], [folder], replace=True)
    with pytest.raises(FileExistsError, match='exists already'):
        check_outputs([film], [folder])
    check_outputs([film], [folder], replace=True)


def test_the_effort_to_check_outputs_grows_with_their_number_only(tmp_path, monkeypatch):
    images = [tmp_path / f'{n}.png' for n in range(100)]
    for image in images:
        image.touch()
    calls, stat = [], Path.stat
    monkeypatch.setattr(Path, 'stat', lambda *a, **k: calls.append(a) or stat(*a, **k))
    check_outputs([tmp_path / 'out' / image.name for image in images], images)
    assert 100 < len(calls) < 1000
