"""How a run was made: from the record of a test back to pre-training."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from .document import Cell, Section, Table, number
from .run import Run, records_below
from .seen import seen_before


@dataclass(frozen=True)
class Training:
    """A training run that made a checkpoint, resumed ones added up.

    Attributes:
        folders: Log folders, oldest first.
        record: The newest record, with ``images``, ``seconds`` and
            ``memory_mib`` of all of them.
    """

    folders: list[Path]
    record: dict

    @property
    def is_pretraining(self) -> bool:
        """Whether it learnt without labels."""
        return bool(self.record.get('self_supervised'))


def training_in(work_dir: Path) -> Training | None:
    """The last training run in a work dir, if there is a record of it."""
    folders: list[Path] = []
    record: dict = {}
    wanted = None
    for folder, found in reversed(records_below(work_dir, 'train')):
        if wanted is None:
            record = dict(found)
        elif wanted == 0:
            break  # an earlier run, not a part of this one
        else:
            for key in ('images', 'seconds', 'iterations'):
                record[key] += found[key]
            record['memory_mib'] = max(record['memory_mib'], found['memory_mib'])
        folders.insert(0, folder)
        wanted = found['first_iteration']
    return Training(folders, record) if folders else None


def trainings_of(checkpoint: str | None) -> list[Training]:
    """What made a checkpoint, the last training first, back to pre-training."""
    found: list[Training] = []
    while checkpoint and len(found) < 8:  # a work dir that starts from itself has no beginning
        training = training_in(Path(checkpoint).parent)
        if training is None:
            break
        found.append(training)
        checkpoint = training.record.get('start')
    return found


def describe_making(runs: Sequence[Run]) -> Section:
    """Config, checkpoint, versions, and what testing and training cost."""
    columns = []
    for run in runs:
        facts: dict[str, str] = {}
        if run.record:
            facts |= _facts(run.record)
            facts |= {'tested': _cost(run.record)}
        facts['annotations'] = _shown(str(run.annotations))
        for training in trainings_of(run.record.get('checkpoint')):
            name = 'pre-trained' if training.is_pretraining else 'trained'
            facts[name] = _cost(training.record)
            facts[f'{name} with'] = _shown(training.record['config'])
            seen = seen_before(run, training.record)
            if seen is not None:
                facts[f'test images that it was {name} on'] = f'{seen[0]} of {seen[1]}'
        columns.append(facts)
    keys = list(dict.fromkeys(key for facts in columns for key in facts))
    return Section(
        'How it was made',
        ''
        if any(run.record for run in runs)
        else 'The results came as files: nothing else is known of them.',
        [
            Table(
                ['', *(run.name for run in runs)],
                [[key, *(facts.get(key, '–') for facts in columns)] for key in keys],
            )
        ],
    )


def describe_training(training: Training) -> Table:
    """The record of one training run as a table."""
    facts = _facts(training.record) | {'trained': _cost(training.record)}
    return Table(['', ''], [[key, value] for key, value in facts.items()])


def making_data(run: Run) -> dict:
    """What report.json holds of it."""
    trainings = trainings_of(run.record.get('checkpoint'))
    return dict(test=run.record or None, trainings=[t.record for t in trainings])


def describe_efficiency(runs: Sequence[Run]) -> Section:
    """Time, images/s and memory of pre-training, training and testing, beside each other."""
    columns = []
    for run in runs:
        stages = {'test': run.record} if run.record else {}
        for training in reversed(trainings_of(run.record.get('checkpoint'))):  # the last counts
            stages['pre-training' if training.is_pretraining else 'training'] = training.record
        columns.append(stages)
    rows: list[list[Cell | str]] = [
        [f'{stage}, {unit}', *(_cost_cell(column.get(stage), unit) for column in columns)]
        for stage in ('pre-training', 'training', 'test')
        for unit in ('time', 'images/s', 'MiB')
        if any(stage in column for column in columns)
    ]
    if not rows:
        return Section('Efficiency')
    return Section(
        'Efficiency',
        'What the accuracy cost: wall-clock time without validation, and the peak memory of the '
        'main process.',
        [Table(['', *(run.name for run in runs)], rows)],
    )


def _cost_cell(record: dict | None, unit: str) -> Cell:
    if not record or not record['seconds']:
        return Cell('–')
    if unit == 'time':
        return Cell(_duration(record['seconds']))
    if unit == 'MiB':
        return number(record['memory_mib'], 0)
    return number(record['images'] / record['seconds'], 1)


def _facts(record: dict) -> dict[str, str]:
    versions = record.get('versions') or {}
    processes = record.get('processes', 1)
    return {
        'config': _shown(record.get('config')),
        'checkpoint': _shown(record.get('checkpoint') or record.get('start')),
        'git commit': record.get('commit') or '–',
        'versions': ', '.join(f'{name} {version}' for name, version in versions.items()),
        'device': f'{processes} x {record["device"]}' if processes > 1 else record['device'],
        'begun': str(record.get('started', '–')).replace('T', ' '),
    }


def _cost(record: dict) -> str:
    if not record['seconds']:
        return '–'
    return (
        f'{record["images"]:,} images in {_duration(record["seconds"])}, '
        f'{record["images"] / record["seconds"]:,.1f} images/s, {record["memory_mib"]:,.0f} MiB'
    )


def _duration(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))


def _shown(path: str | None) -> str:
    """A path as seen from here, where it lies below."""
    if not path:
        return '–'
    here = Path.cwd()
    return str(Path(path).relative_to(here)) if Path(path).is_relative_to(here) else path
