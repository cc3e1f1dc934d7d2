"""Weights of a head for other categories: those of a name that is known are kept."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from torch import Tensor


def classes_of(checkpoint: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Names of a checkpoint's categories, in the order of its head; None where it has none."""
    meta = checkpoint.get('meta') or {}
    told = meta.get('dataset_meta') or {}
    names = told.get('classes') or told.get('CLASSES') or meta.get('CLASSES')
    return (names,) if isinstance(names, str) else tuple(names) if names else None


def holds_detector(names: Collection[str]) -> bool:
    """Whether weights of these names are of more of a detector than its backbone."""
    return any('bbox_head.' in name for name in names)


def holds_timm_net(names: Collection[str]) -> bool:
    """Whether a detector, or a teacher and a student, of these names has a net of timm as its backbone."""
    return any('backbone.net.' in name for name in names)


def rows_per_class(fewer: Mapping[str, Tensor], more: Mapping[str, Tensor]) -> dict[str, int]:
    """Tensors that have rows for each class, and how many.

    Args:
        fewer: Weights of a model.
        more: Those of the same model with one class more.
    """
    return {
        name: more[name].shape[0] - tensor.shape[0]
        for name, tensor in fewer.items()
        if name in more and more[name].shape != tensor.shape
    }


def keep_known_classes(
    found: dict[str, Tensor],
    own: Mapping[str, Tensor],
    rows: Mapping[str, int],
    known: Sequence[str],
    wanted: Sequence[str],
) -> tuple[list[str], list[str]]:
    """Give a head's weights to other categories.

    Rows of a category that is known by its name, in whatever case, are those of the checkpoint; others are the
    model's own, as they were drawn. Of several rows a class, those of box regression are together, and
    those of anchors are apart, as mmdet has them. A row beside all classes is the background's.

    Args:
        found: Weights of the checkpoint; those that have rows for classes are changed.
        own: Weights of the model.
        rows: See :func:`rows_per_class`.
        known: Names that the checkpoint knows.
        wanted: Names of the model's.

    Returns:
        Names that are kept, and those that begin anew.
    """
    places = {name.casefold(): place for place, name in enumerate(known)}
    pairs = [
        (places[name.casefold()], place)
        for place, name in enumerate(wanted)
        if name.casefold() in places
    ]
    for key, each in rows.items():
        if key not in found:
            continue
        old, new = found[key], own[key].clone()
        rest = len(new) - each * len(wanted)
        alike = old.shape[1:] == new.shape[1:] and len(old) - each * len(known) == rest
        if not alike or rest > (each == 1):  # of another kind of head
            found[key] = new
            continue
        together = 'reg' in key.split('.')[-2]
        for theirs, ours in pairs:
            for row in range(each):
                if together:
                    new[ours * each + row] = old[theirs * each + row]
                else:
                    new[row * len(wanted) + ours] = old[row * len(known) + theirs]
        if rest and pairs:
            new[-rest:] = old[-rest:]
        found[key] = new
    kept = [wanted[place] for _, place in pairs]
    return kept, [name for name in wanted if name not in kept]
