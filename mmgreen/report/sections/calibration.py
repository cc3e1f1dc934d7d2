"""Whether scores say how often detections are right."""

from mmgreen.report import charts
from mmgreen.report.comparison import PARTS, Comparison
from mmgreen.report.document import Cell, Chart, Section, Table, number


def describe_calibration(comparison: Comparison) -> Section:
    """A chart and a table for boxes, and for masks."""
    blocks: list[Chart | Table] = []
    for kind in comparison.kinds:
        found = {name: part.calibration for name, part in comparison.of_kind(kind).items()}
        curves = {name: (c.score, c.precision) for name, c in found.items()}
        rows: list[list[Cell | str]] = [
            [name, number(c.error), number(c.count.sum(), 0)] for name, c in found.items()
        ]
        header = ['', 'expected error', 'detections']
        blocks += [
            charts.calibration(f'Calibration of {PARTS[kind]}', curves),
            Table(header, rows, f'Calibration, {PARTS[kind]}'),
        ]
    text = (
        'How often detections of a score are right at IoU 0.50. On the dashed line a '
        'score of 0.8 is right eight times in ten.'
    )
    return Section('Calibration', text, blocks)
