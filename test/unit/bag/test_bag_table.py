# SPDX-License-Identifier: Apache-2.0
"""The table of all people and expressions: its rows, as pandas and DuckDB read them."""

import pytest

from emotion_msgs.msg import Emotion, EmotionArray
from emotion_perception.bag.message_types import EMOTIONS_OF_IMAGE
from emotion_perception.bag.table import Row, table_rows, write_table
from emotion_perception.ros.conversions import bgr_to_image

from .conftest import stamped
from .test_bag_process import without

S = 10**9


@pytest.fixture
def rows(write_bag, small_portrait):
    """Return the rows of a recording: two people, ten images a second, a gap of two seconds."""
    seen = {
        0: [(1, 'neutral', 0.5)],
        1: [(1, 'neutral', 0.75), (2, 'fear', 0.5)],
        2: [(1, 'happiness', 1.0)],
        3: [(1, 'happiness', 0.5)],
        24: [(1, 'happiness', 0.25)],
    }
    results = [
        EmotionArray(
            header=stamped(number),
            faces=[Emotion(face_id=i, label=label, confidence=c) for i, label, c in faces],
        )
        for number, faces in seen.items()
    ]
    topics = {'/eye': [bgr_to_image(small_portrait, stamped(0))], '/a/emotion/faces': results}
    bag = write_bag('visit', topics, {'/a/emotion/faces': EMOTIONS_OF_IMAGE})
    return table_rows('visit', bag, '', bag, 'a')


def test_a_row_is_a_time_with_one_expression(rows):
    def row(face_id, seen, expression, start, end, *rest):
        first, last, start, end = [5 * S + tenth * S // 10 for tenth in (*seen, start, end)]
        return Row('visit', '/eye', face_id, first, last, expression, start, end, *rest)

    assert rows == [
        row(1, (0, 24), 'neutral', 0, 2, 0.2, 2, 0.625),
        row(1, (0, 24), 'happiness', 2, 3, 0.1, 2, 0.75),
        row(1, (0, 24), 'happiness', 24, 24, 0.0, 1, 0.25),
        row(2, (1, 1), 'fear', 1, 1, 0.0, 1, 0.5),
    ]


def test_pandas_and_duckdb_read_it(tmp_path, rows):
    pandas = pytest.importorskip('pandas')
    pytest.importorskip('pyarrow')
    rows.append(rows[0]._replace(recording='it\'s "odd"\\udcff', seconds=4.0))
    write_table(rows, tmp_path / 'all.parquet')
    table = pandas.read_parquet(tmp_path / 'all.parquet')
    assert list(table.columns) == list(Row._fields)
    times = ['first_seen', 'last_seen', 'start', 'end']
    assert [str(table[name].dtype) for name in times] == ['datetime64[us, UTC]'] * 4
    assert table.start[1] == pandas.Timestamp('1970-01-01 00:00:05.2', tz='UTC')
    rest = [name for name in Row._fields if name not in times]
    assert table[rest].values.tolist() == [[getattr(row, name) for name in rest] for row in rows]
    sums = table.groupby(['recording', 'expression']).seconds.sum()
    assert sums['visit', 'happiness'] == pytest.approx(0.1)

    duckdb = pytest.importorskip('duckdb')
    query = "SELECT expression, sum(seconds) FROM '{}' GROUP BY ALL ORDER BY 2 DESC LIMIT 2"
    found = duckdb.sql(query.format(tmp_path / 'all.parquet')).fetchall()
    assert found == [('neutral', 4.2), ('happiness', pytest.approx(0.1))]
    kinds = duckdb.sql(f"DESCRIBE FROM '{tmp_path}/all.parquet'").fetchall()
    assert {name: kind for name, kind, *_ in kinds} == {
        'recording': 'VARCHAR',
        'topic': 'VARCHAR',
        'face_id': 'BIGINT',
        'expression': 'VARCHAR',
        'seconds': 'DOUBLE',
        'images': 'BIGINT',
        'mean_confidence': 'DOUBLE',
        **dict.fromkeys(times, 'TIMESTAMP WITH TIME ZONE'),
    }


def test_one_table_of_all_recordings(run, tmp_path, write_bag, portrait_bag, small_portrait):
    parquet = pytest.importorskip('pyarrow.parquet')
    dark = [bgr_to_image(small_portrait * 0, stamped(number)) for number in range(2)]
    for name in ('a', 'nobody'):
        write_bag(f'archive/{name}', {'/eye': dark})
    portrait_bag.rename(tmp_path / 'archive/c')
    bad = tmp_path / 'archive/bad'
    bad.mkdir()
    (bad / 'bag.mcap').touch()
    tables = [tmp_path / f'{number}.parquet' for number in range(3)]
    for table in tables[:2]:  # the second reads results that exist
        code, printed, _ = run(
            'process', tmp_path / 'archive', '-o', tmp_path / 'out', '--table', table
        )
        assert code == 1
        assert printed.endswith(f'{table}: 1 rows of 3 recordings, without the 1 that failed\n')
    (row,) = parquet.read_table(tables[0]).to_pylist()
    assert (row['recording'], row['topic'], row['face_id']) == ('c', '/eye/image', 1)
    assert (row['expression'], row['images'], row['seconds']) == ('happiness', 5, 0.4)
    assert tables[0].read_bytes() == tables[1].read_bytes()
    code, printed, _ = run(
        'process', tmp_path / 'archive/c', '-o', tmp_path / 'alone', '--table', tables[2]
    )
    assert (code, printed.splitlines()[1]) == (0, str(tables[2]))
    assert tables[2].read_bytes() == tables[0].read_bytes()


def test_a_table_without_rows(tmp_path):
    parquet = pytest.importorskip('pyarrow.parquet')
    write_table([], tmp_path / 'none.parquet')
    assert parquet.read_table(tmp_path / 'none.parquet').column_names == list(Row._fields)


def test_places_that_are_refused(run, tmp_path, portrait_bag):
    pytest.importorskip('pyarrow')
    old = tmp_path / 'old.parquet'
    old.touch()
    for table, message in (
        (old, f'{old} exists already; remove it or choose another name'),
        (portrait_bag / 'new', f'{portrait_bag}/new lies in the input folder {portrait_bag}'),
    ):
        code, _, (error,) = run('process', portrait_bag, '-o', tmp_path / 'out', '--table', table)
        assert code == 2
        assert message in error
        assert not (tmp_path / 'out').exists()


@pytest.mark.parametrize(
    ('missing', 'options'),
    [('pyarrow', ['--table', 'x']), ('distributed', ['--scheduler', 'tcp://127.0.0.1:1'])],
)
def test_without_an_optional_package(tmp_path, portrait_bag, missing, options):
    out = tmp_path / 'out'
    done = without(missing, ['bag', 'process', str(portrait_bag), '-o', str(out), *options])
    assert done.returncode == 2
    (line,) = [line for line in done.stderr.splitlines() if not line.startswith('INFO')]
    assert line == (
        f'emotion-perception bag: {missing} is missing; install what '
        'bootstrap/requirements-archives.txt lists: python3 -m pip install distributed pyarrow'
    )
    assert not out.exists()
