"""What a study is made of: starts, shares of the labels, seeds."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from mmgreen.config import load_config
from mmgreen.errors import UserError

_KEYS = {'work_dir', 'data_root', 'seeds', 'starts', 'labels', 'detector', 'classifier'}
_RUN_KEYS = {'config', 'cfg_options', 'steps'}
_DETECTOR_KEYS = _RUN_KEYS | {'minutes', 'until'}
_START_KEYS = _RUN_KEYS | {'minutes', 'init', 'detector', 'choose'}


@dataclass(frozen=True)
class Until:
    """When a detector has come to its end: its AP on images of its own, held out for this, rises no more.

    Attributes:
        images: How many labelled images are held out; not the test's, and none that is trained on.
        interval: Steps between validations.
        patience: Validations without progress after which the rate falls to a tenth; after as many
            more the training ends.
    """

    images: int = 100
    interval: int = 100
    patience: int = 3


@dataclass(frozen=True)
class Task:
    """A config to run, for so many steps.

    Attributes:
        config: Config file.
        cfg_options: Settings to change, by dotted names.
        steps: Length of the run; None leaves the config's.
        minutes: Length in time, instead of steps: as many steps as a run that is alone
            on the machine takes in it, less what a teacher needs to see all images before. Of a
            detector, the time that it and the pre-trainings before it have together.
        until: Where it ends, of a detector: then ``steps`` are the most that it has.
    """

    config: str
    cfg_options: dict[str, Any] = field(default_factory=dict)
    steps: int | None = None
    minutes: float | None = None
    until: Until | None = None


@dataclass(frozen=True)
class Chooser:
    """What chooses the images that a start's detector is trained on, instead of chance.

    Attributes:
        by: A start. Its detector chooses by what it is in doubt of, or its backbone by features alone.
        labels: Images that its detector is trained on, drawn at random; they are among the chosen. With 0 there is no
            detector.
    """

    by: 'Start'
    labels: int = 0


@dataclass(frozen=True)
class Start:
    """What a detector's backbone starts from: a pre-training, a checkpoint, or nothing.

    Attributes:
        name: What the report calls it.
        training: Pre-training; None where there is none.
        checkpoint: A file, instead of a pre-training.
        init: Start that the pre-training itself starts from; without one, what ``init`` has
            is where detectors start from.
        detector: What is trained from it on labelled images: the study's, with what this start
            changes of it; None where the study has no detectors.
        choose: What chooses the labelled images; None where they are drawn at random.
    """

    name: str
    training: Task | None = None
    checkpoint: str | None = None
    init: 'Start | None' = None
    detector: Task | None = None
    choose: Chooser | None = None

    @property
    def origin(self) -> 'Start':
        """Whose weights detectors start from: its own, or those of a start before it."""
        return self if self.training or not self.init else self.init.origin

    @property
    def lineage(self) -> 'list[Start]':
        """Those that have to be there before it, and itself."""
        before = [self.init, self.choose.by if self.choose else None]
        return [each for start in before if start for each in start.lineage] + [self]


@dataclass(frozen=True)
class Plan:
    """A study.

    Attributes:
        work_dir: Folder of all runs and of the report.
        starts: Each has a name; the others are compared with the first.
        seeds: Each decides a pre-training, the labelled images, and a detector's training.
        labels: Numbers of labelled images that detectors are trained on.
        detector: What is trained from starts that change nothing of it; None where there is none.
        classifier: Classification config whose images are told apart by nearest neighbours in
            the features of each start; None where this is not asked for.
    """

    work_dir: Path
    starts: dict[str, Start]
    seeds: list[int]
    labels: list[int]
    detector: Task | None
    classifier: Task | None

    @property
    def every_start(self) -> list[Start]:
        """Those that are compared and those that they start from, which come before them."""
        found: dict[str, Start] = {}
        for start in self.starts.values():
            found |= {each.name: each for each in start.lineage}
        return list(found.values())

    def part(
        self,
        starts: Sequence[str] | None = None,
        labels: Sequence[int] | None = None,
        seeds: Sequence[int] | None = None,
    ) -> 'Plan':
        """The runs of some starts, numbers of labelled images and seeds, in the study's order.

        Args:
            starts: Names; the others are compared with the first that is left. None is all of them.
            labels: Some of the study's; None is all of them.
            seeds: Some of the study's; None is all of them.

        Raises:
            UserError: If the study has no such start, number or seed.
        """
        for what, chosen in dict(starts=starts, labels=labels, seeds=seeds).items():
            known = getattr(self, what)
            strange = [each for each in chosen or () if each not in known]
            if strange:
                has = ', '.join(map(str, known)) or 'it has none'
                raise UserError(f'the study has no {strange[0]} among its {what}: {has}')
        return replace(
            self,
            starts={n: s for n, s in self.starts.items() if starts is None or n in starts},
            labels=[n for n in self.labels if labels is None or n in labels],
            seeds=[seed for seed in self.seeds if seeds is None or seed in seeds],
        )


def read_plan(filename: str | Path) -> Plan:
    """Read a study file, a config of mmengine.

    Raises:
        UserError: If it cannot be read, or says what a study does not know.
    """
    cfg: Any = load_config(filename)
    # A name with an underscore before it is the file's own.
    found = {key: value for key, value in cfg.to_dict().items() if not key.startswith('_')}
    _check_keys(found, _KEYS, f'{filename}')
    for key in ('seeds', 'starts'):
        if not found.get(key):
            raise UserError(f'{filename} lacks {key}')
    detector, classifier = (
        _task(found[key], keys, f'{key} of {filename}') if found.get(key) else None
        for key, keys in (('detector', _DETECTOR_KEYS), ('classifier', _RUN_KEYS))
    )
    starts: dict[str, Start] = {}
    for name, given in found['starts'].items():
        starts[name] = _start(name, given, starts, detector, f'starts.{name} of {filename}')
    if not detector and not classifier:
        raise UserError(f'{filename} has neither a detector nor a classifier to compare starts by')
    if detector and not found.get('labels'):
        raise UserError(f'{filename} lacks labels, the numbers of images that detectors train on')
    return Plan(
        work_dir=Path(cfg.work_dir),
        starts=starts,
        seeds=list(found['seeds']),
        labels=sorted(found.get('labels') or []),
        detector=detector,
        classifier=classifier,
    )


def _start(
    name: str, given: Any, earlier: dict[str, Start], detector: Task | None, where: str
) -> Start:
    if given is None or isinstance(given, str):
        return Start(name, checkpoint=given, detector=detector)
    _check_keys(given, _START_KEYS, where)
    if given.get('detector'):
        if not detector:
            raise UserError(f'{where} has settings of a detector, and the study has none')
        own = given['detector']
        _check_keys(own, _DETECTOR_KEYS, f'detector of {where}')
        options = detector.cfg_options | (own.get('cfg_options') or {})
        until = _until(own['until'], where) if 'until' in own else detector.until
        length = {key: own.get(key) for key in ('steps', 'minutes')}
        if not any(length.values()):
            length = dict(steps=detector.steps, minutes=detector.minutes)
        detector = replace(detector, **own | length | dict(cfg_options=options, until=until))
        _check_length(detector, f'detector of {where}')
    init = given.get('init')
    if init is not None and init not in earlier:
        raise UserError(f"{where} starts from '{init}', which is not among the starts before it")
    training = None
    if set(given) - {'init', 'detector', 'choose'}:
        training = _task(given, _START_KEYS, where)
    choose = _chooser(given['choose'], earlier, where) if given.get('choose') else None
    return Start(name, training, None, earlier.get(init), detector, choose)


def _chooser(given: Any, earlier: dict[str, Start], where: str) -> Chooser:
    where = f'choose of {where}'
    _check_keys(given, {'by', 'labels'}, where)
    by = given.get('by')
    if by not in earlier:
        raise UserError(f"{where} has by='{by}', which is not among the starts before it")
    return Chooser(earlier[by], given.get('labels', 0))


def _task(given: Any, keys: set[str], where: str) -> Task:
    _check_keys(given, keys, where)
    if 'config' not in given:
        raise UserError(f'{where} lacks config')
    task = Task(
        given['config'],
        given.get('cfg_options') or {},
        given.get('steps'),
        given.get('minutes'),
        _until(given.get('until'), where),
    )
    _check_length(task, where)
    return task


def _check_length(task: Task, where: str) -> None:
    if task.steps and task.minutes:
        raise UserError(f'{where} has both steps and minutes: leave out one of them')


def _until(given: Any, where: str) -> Until | None:
    if given is None:
        return None
    _check_keys(given, {each.name for each in fields(Until)}, f'until of {where}')
    return Until(**given)


def _check_keys(given: dict, known: set[str], where: str) -> None:
    strange = sorted(set(given) - known)
    if strange:
        raise UserError(f"{where} has '{strange[0]}', and can have {', '.join(sorted(known))}")
