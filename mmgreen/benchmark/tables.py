"""Measurements as a table and as bars."""

import statistics
from pathlib import Path

import matplotlib
from terminaltables import GithubFlavoredMarkdownTable

_MIB = 2**20
_IMAGENET = 1_281_167  # training images of ImageNet-1K


def summarise(rounds: list[list[dict]]) -> list[dict]:
    """One row for each subject, over all rounds; ratios to the first subject of a round."""
    rows = []
    for results in zip(*rounds, strict=True):
        times = [t for result in results for t in result['times']]
        first = [round[0] for round in rounds]
        rows.append(
            dict(
                results[0],
                times=times,
                step=dict(median=statistics.median(times), min=min(times), max=max(times)),
                peak=max(result['peak'] for result in results),
                activations=max(result['activations'] for result in results),
                time_ratio=statistics.median(
                    statistics.median(a['times']) / statistics.median(b['times'])
                    for a, b in zip(results, first, strict=True)
                ),
            )
        )
    for row in rows:
        row['activation_ratio'] = row['activations'] / rows[0]['activations']
    return rows


def table(rows: list[dict], batch_size: int, devices: int | None = None) -> str:
    """The rows in Markdown, readable on a terminal; below them what steps spend time on.

    Args:
        rows: See :func:`summarise`.
        batch_size: Images a step.
        devices: Add the days that a config's epochs over ImageNet-1K take on so
            many devices.
    """

    def cell(row: dict, key: str, scale: float, digits: int) -> str:
        return '' if row.get(key) is None else f'{row[key] / scale:.{digits}f}'

    lines = [
        ['config', 'pixels', 'images/s', 'step s', 'min', 'max', 'time']
        + ['peak MiB', 'activations MiB', 'activations', 'GFLOP/image', 'parameters M', 'masks ms']
        + ['pairs/block', 'tiles/block', 'padding']
        + ([f'days on {devices}'] if devices else [])
    ]
    for row in rows:
        step, grouping = row['step'], row.get('grouping') or {}
        lines.append(
            [row['name'], str(row['image_size']), f'{batch_size / step["median"]:.2f}']
            + [f'{step[key]:.3f}' for key in ('median', 'min', 'max')]
            + [f'{row["time_ratio"]:.2f}x']
            + [cell(row, 'peak', _MIB, 0), cell(row, 'activations', _MIB, 0)]
            + [f'{row["activation_ratio"]:.2f}x']
            + [cell(row, 'flops', 1e9, 1), cell(row, 'parameters', 1e6, 1)]
            + [cell(row, 'mask_seconds', 1e-3, 2)]
            + [cell(grouping, 'pairs', 1, 0), cell(grouping, 'tiles', 1, 1)]
            + [cell(grouping, 'padding', 1, 3)]
        )
        if devices:
            steps = (row.get('epochs') or 0) * _IMAGENET / (batch_size * devices)
            lines[-1].append(f'{steps * step["median"] / 86400:.2f}' if steps else '')
    shares = [
        f'{row["name"]}: ' + ', '.join(f'{kind} {part:.1%}' for kind, part in row['shares'].items())
        for row in rows
        if 'shares' in row
    ]
    shares += [
        f'{row["name"]}: {row["kernels"]:,} kernels a step, in which the GPU is busy for '
        f'{row["busy"] * 1e3:.1f} ms, {row["busy"] / row["step"]["median"]:.0%} of the step'
        for row in rows
        if 'kernels' in row
    ]
    launches = [
        f'{row["name"]}: kernels launched, and GB moved, a step: '
        + ', '.join(
            f'{phase} {found["kernels"]:,} ({found["bytes"] / 1e9:.2f})'
            for phase, found in row['launches'].items()
        )
        for row in rows
        if 'launches' in row
    ]
    return '\n'.join([GithubFlavoredMarkdownTable(lines).table, *shares, *launches])


def plot(rows: list[dict], path: Path, about: dict) -> None:
    """Bars of step time and activation memory, and above them what was measured on what."""
    matplotlib.use('Agg')
    from matplotlib import pyplot as plt

    names = [f'{row["name"]} ({row["image_size"]} px)' for row in rows]
    figure, axes = plt.subplots(
        1, 2, sharey=True, figsize=(11, 1.2 + 0.45 * len(rows)), layout='constrained'
    )
    for axis, label, values, ratios in (
        (axes[0], 'seconds a step', [r['step']['median'] for r in rows], 'time_ratio'),
        (axes[1], 'activations, GiB', [r['activations'] / 2**30 for r in rows], 'activation_ratio'),
    ):
        bars = axis.barh(names, values, color=['#2a9d5c', *['#8aa6b8'] * (len(rows) - 1)])
        axis.bar_label(bars, [f'{row[ratios]:.2f}x' for row in rows], padding=3)
        axis.set_xlabel(label)
        axis.margins(x=0.3)  # room for the ratios
        axis.spines[['top', 'right']].set_visible(False)
    axes[0].invert_yaxis()
    precision = 'float32' if about['amp'] == 'none' else about['amp']
    figure.suptitle(f'{about["device"]}, batch size {about["batch_size"]}, {precision}')
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
