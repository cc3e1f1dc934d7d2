"""Kinds of errors, and what each one costs."""

from mmgreen.evaluation import KINDS
from mmgreen.report import charts
from mmgreen.report.comparison import PARTS, Comparison
from mmgreen.report.document import Cell, Chart, Section, Table, number


def describe_errors(comparison: Comparison) -> Section:
    """Bars and a table for boxes, and for masks."""
    blocks: list[Chart | Table] = []
    for kind in comparison.kinds:
        of_run = comparison.of_kind(kind)
        words = PARTS[kind]
        lost = {name: [p.errors.lost[error] for error in KINDS] for name, p in of_run.items()}
        header = ['kind']
        for name in of_run:
            header += [f'{name}: AP50 lost', f'{name}: errors'] if len(of_run) > 1 else []
        if len(of_run) == 1:
            header += ['AP50 lost', 'errors']
        rows = []
        for error in KINDS:
            row: list[Cell | str] = [error]
            for part in of_run.values():
                row += [number(part.errors.lost[error]), number(part.errors.count[error], 0)]
            rows.append(row)
        ticks = [
            error.replace('localisation', 'local.').replace('background', 'backgr.')
            for error in KINDS
        ]
        blocks += [
            charts.bars(f'AP50 lost by kind of error, {words}', ticks, lost, axis='AP50 lost'),
            Table(header, rows, f'Errors, {words}'),
        ]
    text = (
        'AP50 that would be gained if one kind of error were corrected, as TIDE counts them: '
        'a wrong class; a box or mask with IoU between 0.1 and 0.5; both; a second '
        'detection of the same object; background; an object that is missed.'
    )
    return Section('Kinds of errors', text, blocks)
