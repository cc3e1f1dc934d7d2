"""What a detector's training shows: losses of training and validation, AP, and overfitting."""

import numpy as np

from mmgreen.engine.hooks import VAL_LOSS

from .charts import lines
from .document import Section
from .logs import scalars_of, validations_of
from .provenance import Training

#: How much higher than its lowest value the validation loss must end, to be called a rise.
_RISE = 1.02
_AP = {'coco/bbox_mAP': 'boxes', 'coco/segm_mAP': 'masks'}


def describe_training_curves(training: Training, name: str = '') -> tuple[Section, dict]:
    """Curves of a detector's training, and what report.json holds of them.

    Args:
        training: Its records and logs.
        name: Name of the run, where there are several.
    """
    losses = {'training': scalars_of(training, 'loss')}
    losses['validation'] = validations_of(training, VAL_LOSS)
    losses = {key: curve for key, curve in losses.items() if len(curve[0])}
    reached = {words: validations_of(training, key) for key, words in _AP.items()}
    reached = {words: curve for words, curve in reached.items() if len(curve[0]) > 1}
    blocks = []
    if losses:
        blocks.append(lines('Loss while training', losses, 'step', 'loss'))
    if reached:
        blocks.append(lines('AP while training', reached, 'step', 'AP'))
    text, begins = '', None
    if 'validation' in losses and len(losses['validation'][0]) > 1:
        begins = overfitting_from(*losses['validation'])
        text = (
            'The loss on validation images does not rise: no overfitting yet.'
            if begins is None
            else f'The loss on validation images is lowest after {begins:,} steps and rises from '
            'there: overfitting begins. More images, more augmentation or fewer steps help.'
        )
    title = f'Training: {name}' if name else 'Training'
    data = dict(
        losses={
            key: [dict(step=s, loss=v) for s, v in zip(x.tolist(), y.tolist(), strict=True)]
            for key, (x, y) in losses.items()
        },
        overfitting_from=begins,
    )
    return Section(title, text, blocks), data


def overfitting_from(steps: np.ndarray, losses: np.ndarray) -> int | None:
    """The step at which the validation loss is lowest, if it ends clearly above that."""
    lowest = int(np.argmin(losses))
    return int(steps[lowest]) if losses[-1] > _RISE * losses[lowest] else None
