"""How the cost grows: time against faces and pixels, CPU against the camera's rate; fitted and drawn."""

from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from benchmarks.figures import line_fit


def fits(results: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """
    Return a line through each of three series.

    Returns:
        For ``faces`` (ms against faces, VGA), ``pixels`` (ms against megapixels, one face) and
        ``rate`` (share of a core against Hz, VGA, one face): ``x``, ``y``, ``slope``, ``start``, ``r2``.

    """
    plain = [
        row
        for row in results['stages']
        if (row['detector'], row['cores'], row['transport'], row['every'])
        == ('blazeface', 1, 'raw', 1)
    ]
    faces = [row for row in plain if (row['width'], row['height']) == (640, 480)]
    pixels = [row for row in plain if row['faces'] == 1]
    rates = [row for row in results['streams'] if row['faces'] == 1 and row['width'] == 640]
    series = {
        'faces': ([r['faces'] for r in faces], [r['whole']['p50'] for r in faces]),
        'pixels': (
            [r['width'] * r['height'] / 1e6 for r in pixels],
            [r['whole']['p50'] for r in pixels],
        ),
        'rate': ([r['rate_hz'] for r in rates], [r['cpu_share'] for r in rates]),
    }
    return {name: {'x': x, 'y': y} | line_fit(x, y) for name, (x, y) in series.items()}


def sentences(found: dict[str, dict[str, Any]]) -> str:
    """Return the three fits in words."""
    faces, pixels, rate = (found[name] for name in ('faces', 'pixels', 'rate'))
    return '\n'.join(
        (
            f'- faces: {faces["start"]:.1f} ms and {faces["slope"]:.2f} ms a face (VGA, one core, r2 {faces["r2"]})',
            f'- pixels: {pixels["start"]:.1f} ms and {pixels["slope"]:.2f} ms a megapixel (one face, r2 {pixels["r2"]})',
            f'- rate: {rate["start"]:.1%} of a core and {rate["slope"]:.2%} a hertz (VGA, one face, r2 {rate["r2"]})',
        )
    )


def plot(results: dict[str, Any], path: Path) -> None:
    """Draw the stages of each number of faces, the three series with their lines, and the peers."""
    figure = Figure((11, 7.2), layout='constrained')
    grid = figure.add_gridspec(2, 6)
    left, right = figure.add_subplot(grid[0, :3]), figure.add_subplot(grid[0, 3:])
    below = [figure.add_subplot(grid[1, 2 * k : 2 * k + 2]) for k in range(3)]
    _stages(left, results)
    _peers(right, results)
    labels = {
        'faces': ('faces', 'ms an image'),
        'pixels': ('megapixels', 'ms an image'),
        'rate': ('camera, Hz', 'share of a core'),
    }
    for axes, (name, fit) in zip(below, results['growth'].items(), strict=True):
        axes.plot(fit['x'], fit['y'], 'o', color='#2563c9')
        ends = (0, max(fit['x']))
        axes.plot(ends, [fit['start'] + fit['slope'] * x for x in ends], '--', color='#7c8798')
        axes.set(xlabel=labels[name][0], ylabel=labels[name][1], ylim=(0, None))
        axes.grid(alpha=0.3)
    figure.savefig(path, dpi=110)


def _stages(axes: Any, results: dict[str, Any]) -> None:
    rows = [
        row
        for row in results['stages']
        if (row['width'], row['detector'], row['cores'], row['transport'], row['every'])
        == (640, 'blazeface', 1, 'raw', 1)
    ]
    below = [0.0] * len(rows)
    names = [f'{row["faces"]} faces' for row in rows]
    for stage in rows[0]['stages']:
        heights = [row['stages'][stage] for row in rows]
        axes.bar(names, heights, 0.6, below, label=stage)
        below = [a + b for a, b in zip(below, heights, strict=True)]
    axes.set(title='Where the time goes (VGA, one core)', ylabel='ms an image')
    axes.legend(fontsize=8)


def _peers(axes: Any, results: dict[str, Any]) -> None:
    peers = results['peers']
    medians = [row['p50'] for row in peers.values()]
    spread = [
        [row['p50'] - row['p50_rounds'][0] for row in peers.values()],
        [row['p50_rounds'][1] - row['p50'] for row in peers.values()],
    ]
    bars = axes.barh(list(peers), medians, 0.5, xerr=spread, color=['#2563c9', '#6ea8ff', '#7c8798', '#7c8798'][: len(peers)])  # fmt: skip
    axes.bar_label(bars, fmt='%.1f ms', padding=4)
    axes.set(title='The same VGA frames, in turn', xlabel='ms a frame, median')
    axes.invert_yaxis()
    axes.margins(x=0.2)
