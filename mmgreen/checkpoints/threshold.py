"""The score to take a detector's detections from, as its validation says, in its checkpoint."""

from typing import Any, Final

from mmengine.logging import MessageHub

#: Taken where a checkpoint knows none.
DEFAULT_THRESHOLD: Final = 0.3

_KEY: Final = 'threshold'
#: What :class:`mmgreen.CocoMetric` says, of masks first.
_MEASURES: Final = ('segm_threshold', 'bbox_threshold')


def threshold_of(checkpoint: dict[str, Any]) -> float | None:
    """The score from which F1 was highest in the validation before a checkpoint was saved.

    Args:
        checkpoint: A checkpoint that was read.

    Returns:
        From 0 to 1; None of a checkpoint that was not validated by :class:`mmgreen.CocoMetric`.
    """
    found: float | None = (checkpoint.get('meta') or {}).get(_KEY)
    return found


def keep_threshold(checkpoint: dict[str, Any], hub: MessageHub) -> None:
    """Write the threshold of a run's last validation into a checkpoint, if there is one.

    Args:
        checkpoint: Changed in place.
        hub: It holds the figures of the run.
    """
    for measure in _MEASURES:
        for name, values in hub.log_scalars.items():
            # Of a teacher and its student, the better one's is the first.
            if name.startswith('val/') and name.endswith(measure):
                threshold = float(values.current())
                if threshold >= 0:  # else nothing was found
                    checkpoint['meta'][_KEY] = threshold
                return
