"""Each category alone."""

from mmgreen.report import charts
from mmgreen.report.comparison import PARTS, Comparison
from mmgreen.report.document import Cell, Chart, Section, Table, number

#: ``CATEGORY_FIGURES`` as headings of narrow columns.
_SHORT = ('AP', 'AP50', 'AP75', 'APs', 'APm', 'APl', 'AR')


def describe_categories(comparison: Comparison) -> Section:
    """Tables that can be sorted, and bars; of several runs AP and its differences."""
    runs, parts, names = comparison.runs, comparison.parts, comparison.categories
    blocks: list[Table | Chart] = []
    several = len(runs) > 1
    for kind in comparison.kinds:
        all_of_them = [part[kind].figures.categories for part in parts]
        if several:
            header = [f'AP of {run.name}' for run in runs]
            header += [f'{run.name} − {runs[0].name}' for run in runs[1:]]
            columns = [number_of['AP'] for number_of in all_of_them]
            columns += [column - columns[0] for column in columns[1:]]
        else:
            header = list(_SHORT)
            columns = list(all_of_them[0].values())
        rows: list[list[Cell | str]] = []
        for k, name in enumerate(names):
            cells = [
                number(column[k], sign=several and i >= len(runs))
                for i, column in enumerate(columns)
            ]
            rows.append([name, number(parts[0][kind].objects[k], digits=0), *cells])
        header = ['category', 'objects', *header]
        blocks.append(Table(header, rows, f'Categories, {PARTS[kind]}', sortable=True))
    for kind in comparison.kinds:
        values = {
            name: part.figures.categories['AP'] for name, part in comparison.of_kind(kind).items()
        }
        blocks.append(charts.category_bars(f'AP of {PARTS[kind]} by category', names, values))
    text = 'Categories without objects have a dash. Click on a heading to sort.'
    return Section('Categories', text, blocks)
