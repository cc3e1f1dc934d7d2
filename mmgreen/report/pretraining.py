"""What pre-training shows: loss, reconstructions over time, throughput."""

import base64
from pathlib import Path

import numpy as np

from mmgreen.engine.hooks import KNN, PICTURE, RANK, WITHIN

from .charts import lines
from .document import Picture, Report, Row, Section
from .logs import scalars_of
from .provenance import Training, describe_training

_STAGES = range(1, 5)
# What FeatureHealthHook logs: title, and the scalar of each curve.
_HEALTH = {
    'Effective rank of features': {f'stage {i}': f'{RANK}{i}' for i in _STAGES},
    'Share of variance within images': {f'stage {i}': f'{WITHIN}{i}' for i in _STAGES},
    'Nearest neighbours, per cent right': {'last stage': KNN},
}
#: Pictures of reconstructions over time.
_SHOWN = 4


def reconstructions_of(training: Training) -> dict[int, Path]:
    """The picture of every epoch, or step, that has one, in order."""
    found = {
        int(path.stem.rsplit('_', 1)[1]): path
        for folder in training.folders
        for path in (folder / 'vis_data/vis_image').glob(f'{PICTURE}_*.png')
    }
    return dict(sorted(found.items()))


def describe_pretraining(training: Training) -> tuple[list[Section], dict]:
    """Sections on a pre-training run, and what report.json holds of it."""
    record = training.record
    steps, losses = scalars_of(training, 'loss')
    speed_steps, speed = scalars_of(training, 'images_per_s')
    memory_steps, memory = scalars_of(training, 'memory')
    charts = [
        lines(title, {label: (x, y)}, 'step', label)
        for title, label, x, y in (
            ('Pre-training loss', 'loss', steps, losses),
            ('Pre-training throughput', 'images/s', speed_steps, speed),
            ('Pre-training memory', 'MiB', memory_steps, memory),
        )
        if len(x)
    ]
    text = ''
    if len(losses):
        text = f'The loss went from {losses[0]:.4f} to {losses[-1]:.4f} in {steps[-1]:,} steps. '
    if record['seconds']:
        text += f'{record["images"] / record["seconds"]:,.1f} images/s on average.'
    sections = [Section('Pre-training', text, charts)]

    health = {
        what: {
            name: (x, y)
            for name, key in keys.items()
            for x, y in [scalars_of(training, key)]
            if len(x)
        }
        for what, keys in _HEALTH.items()
    }
    charts = [lines(what, curves, 'step', '') for what, curves in health.items() if curves]
    if charts:
        text = (
            'Of a few held-out images, by stage. Where the rank or the share of variance within '
            'images falls to little, tokens say the same of all places, whatever the loss does.'
        )
        sections.append(Section('Features while pre-training', text, charts))

    pictures = reconstructions_of(training)
    if pictures:
        times = list(pictures)
        unit = 'epoch' if len(scalars_of(training, 'epoch')[0]) else 'step'
        wanted = np.linspace(0, len(times) - 1, min(_SHOWN, len(times))).round().astype(int)
        shown = [
            Picture(
                'data:image/png;base64,' + base64.b64encode(pictures[t].read_bytes()).decode(),
                f'After {unit} {t}: masked, predicted, original' if t else 'Before training',
            )
            for t in (times[i] for i in wanted)
        ]
        text = 'The same images under the same masks over time. Visible patches are not predicted.'
        sections.append(Section('Reconstructions', text, [Row(shown)]))
    data = dict(
        record=record,
        loss=[dict(step=s, loss=v) for s, v in zip(steps.tolist(), losses.tolist(), strict=True)],
        features={
            what: {
                name: [dict(step=s, value=v) for s, v in zip(x.tolist(), y.tolist(), strict=True)]
                for name, (x, y) in curves.items()
            }
            for what, curves in health.items()
        },
        reconstructions={epoch: str(path) for epoch, path in pictures.items()},
    )
    return sections, data


def pretraining_report(training: Training, name: str) -> Report:
    """A report of pre-training alone."""
    sections, data = describe_pretraining(training)
    sections.append(Section('How it was made', '', [describe_training(training)]))
    return Report('Pre-training report', name, sections, dict(pretraining=data))
