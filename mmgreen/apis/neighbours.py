"""Classification by nearest neighbours and by a linear layer, from Python."""

import os
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from mmengine.config import Config
from mmengine.runner import Runner
from mmpretrain.evaluation import Accuracy
from rich.progress import track
from torch import Tensor, nn
from torch.utils.data import DataLoader

from mmgreen.config import load_config
from mmgreen.engine import build_model, own_scope, prepare_run
from mmgreen.errors import UserError
from mmgreen.evaluation import knn_predict, linear_predict


@dataclass(frozen=True)
class Neighbours:
    """What nearest neighbours find, and a linear layer.

    Attributes:
        accuracy: Top-1 and top-5 in per cent, by k.
        linear: Top-1 and top-5 in per cent of a linear layer
            (:func:`~mmgreen.evaluation.linear_predict`); None where none was asked for.
        bank: Number of images of known class.
        classified: Number of images that were classified.
        num_classes: Number of classes.
    """

    accuracy: dict[int, tuple[float, float]]
    linear: tuple[float, float] | None
    bank: int
    classified: int
    num_classes: int


def classify_by_neighbours(
    config: str | os.PathLike | Config,
    ks: Sequence[int] = (10, 20),
    temperature: float = 0.07,
    device: str | None = None,
    cfg_options: dict | None = None,
    linear: bool = False,
) -> Neighbours:
    """Classify by the features of a frozen backbone: by nearest neighbours, or also by a linear layer.

    The training images are the bank, the validation images are classified; both go
    through the validation pipeline of the config. Features are what the config's
    head would get: the last stage's map, averaged.

    Args:
        config: Classification config; its ``randomness.seed``, by default 0, draws the weights
            that no checkpoint has.
        ks: Numbers of neighbours that vote.
        temperature: See :func:`~mmgreen.evaluation.knn_predict`.
        device: Device; by default the GPU, or else the CPU.
        cfg_options: Settings to change, by dotted names.
        linear: Fit a linear layer, too, which takes minutes for each hundred thousand images.

    Raises:
        UserError: If config, data or checkpoint are not right.
    """
    cfg = load_config(config, cfg_options)
    if cfg.model.type != 'ImageClassifier' or not cfg.get('val_dataloader'):
        raise UserError(f'{cfg.filename} is not a classification config with validation data')
    prepare_run(cfg, 'train')
    device = device or ('cuda' if torch.cuda.is_available() else 'cpu')
    with own_scope(cfg):
        # What is not loaded is drawn anew for each seed, as a study wants it.
        torch.manual_seed(cfg.get('randomness', {}).get('seed') or 0)
        model = build_model(cfg)
        model.init_weights()
        model.eval()
        model.to(device)
        known = dict(
            cfg.val_dataloader,
            dataset=dict(
                cfg.train_dataloader.dataset, pipeline=cfg.val_dataloader.dataset.pipeline
            ),
        )
        bank, labels = _extract(model, Runner.build_dataloader(known), device)
        features, truth = _extract(model, Runner.build_dataloader(cfg.val_dataloader), device)
    num_classes = cfg.model.head.num_classes
    accuracy = {
        k: _top(knn_predict(features, bank, labels, num_classes, k, temperature), truth) for k in ks
    }
    fitted = _top(linear_predict(features, bank, labels, num_classes), truth) if linear else None
    return Neighbours(accuracy, fitted, len(bank), len(features), num_classes)


def _top(scores: Tensor, truth: Tensor) -> tuple[float, float]:
    """Top-1 and top-5 in per cent."""
    one, five = Accuracy.calculate(scores, truth, topk=(1, 5))
    return one[0].item(), five[0].item()


@torch.no_grad()
def _extract(model: nn.Module, loader: DataLoader, device: str) -> tuple[Tensor, Tensor]:
    """Features (N, C) and labels (N,) of all images of a dataloader."""
    features, labels = [], []
    for batch in track(loader, 'Features'):
        data = model.data_preprocessor(batch)
        out = model.extract_feat(data['inputs'].to(device), stage='neck')
        features.append(out[-1].float().cpu())
        labels += [sample.gt_label for sample in data['data_samples']]
    return torch.cat(features), torch.cat(labels).cpu()
