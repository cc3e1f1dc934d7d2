"""A report as sections of text, tables, charts and pictures; to HTML, Markdown and JSON."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from importlib.resources import files
from pathlib import Path
from typing import ClassVar

from jinja2 import Environment, PackageLoader
from markupsafe import Markup

from mmgreen.files import write_keeping, write_whole

#: What every report has in its head.
_MARK = '<meta name="generator" content="mmgreen">'


@dataclass(frozen=True)
class Cell:
    """A table's cell.

    Attributes:
        text: What is shown.
        value: What it is sorted by; its text where there is none.
        note: Shown below it, smaller.
        mark: ``'better'``, ``'worse'`` or nothing.
    """

    text: str
    value: float | None = None
    note: str = ''
    mark: str = ''


def number(value: float | None, digits: int = 3, note: str = '', sign: bool = False) -> Cell:
    """A cell of a number; a dash where there is none."""
    if value is None or math.isnan(value):
        return Cell('–', -math.inf)
    return Cell(f'{value:{"+" if sign else ""},.{digits}f}', float(value), note)


def estimate(value: float, interval: tuple[float, float], digits: int = 3) -> Cell:
    """A cell of a number with its interval below it."""
    return number(value, digits, _range(interval, f',.{digits}f'))


def gain(difference: float, interval: tuple[float, float], digits: int = 3) -> Cell:
    """A cell of a difference, coloured where its interval leaves out zero."""
    cell = number(difference, digits, _range(interval, f'+,.{digits}f'), sign=True)
    mark = 'better' if interval[0] > 0 else 'worse' if interval[1] < 0 else ''
    return replace(cell, mark=mark)


def _range(interval: tuple[float, float], spec: str) -> str:
    return '' if math.isnan(interval[0]) else f'{interval[0]:{spec}} to {interval[1]:{spec}}'


@dataclass(frozen=True)
class Table:
    """Rows below a header. A sortable one is sorted by a click on its header."""

    header: Sequence[str]
    rows: Sequence[Sequence[Cell | str]]
    caption: str = ''
    sortable: bool = False
    kind: ClassVar[str] = 'table'


@dataclass(frozen=True)
class Chart:
    """An SVG chart, and what it shows in words."""

    svg: str
    label: str
    kind: ClassVar[str] = 'chart'


@dataclass(frozen=True)
class Picture:
    """An image as a data URI, and its caption."""

    uri: str
    caption: str


@dataclass(frozen=True)
class Row:
    """Pictures that stay together."""

    pictures: Sequence[Picture]
    kind: ClassVar[str] = 'row'


@dataclass
class Section:
    """A heading, a few sentences, and what is below them."""

    title: str
    text: str = ''
    blocks: Sequence[Table | Chart | Row] = field(default_factory=list)


@dataclass
class Report:
    """A whole report.

    Attributes:
        title: Heading.
        subtitle: A line below it.
        sections: The sections in their order.
        data: What ``report.json`` holds; NaN becomes null.
    """

    title: str
    subtitle: str
    sections: list[Section]
    data: dict

    def write(self, folder: Path) -> Path:
        """Write ``report.html``, ``report.md`` and ``report.json``; an earlier report is replaced.

        Files of these names that are of no report are kept (:func:`mmgreen.files.write_keeping`).

        Args:
            folder: Made where it is not there.

        Returns:
            The HTML file. It needs no other file and no network.
        """
        folder.mkdir(parents=True, exist_ok=True)
        page = folder / 'report.html'
        ours = page.is_file() and _MARK in page.read_text(encoding='utf-8', errors='replace')
        write = write_whole if ours else write_keeping
        environment = Environment(
            loader=PackageLoader('mmgreen.report'),
            autoescape=lambda name: name is not None and '.html' in name,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        environment.filters['markdown_cell'] = _markdown_cell
        templates = files('mmgreen.report') / 'templates'
        inlined = {
            name: Markup((templates / file).read_text(encoding='utf-8'))
            for name, file in (('style', 'style.css'), ('script', 'sort.js'))
        }
        for name in ('report.html', 'report.md'):
            text = environment.get_template(f'{name}.j2').render(report=self, **inlined)
            write(folder / name, text)
        write(
            folder / 'report.json',
            json.dumps(_plain(self.data), indent=1, allow_nan=False, ensure_ascii=False),
        )
        return page


def _markdown_cell(cell: Cell | str) -> str:
    text = cell if isinstance(cell, str) else ' '.join(filter(None, (cell.text, cell.note)))
    for char in '\\|`*_<>[]':
        text = text.replace(char, f'\\{char}')
    return ' '.join(text.split())


def _plain(value: object) -> object:
    """JSON values only, NaN as null."""
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if hasattr(value, 'tolist'):  # of numpy
        return _plain(value.tolist())
    return None if isinstance(value, float) and not math.isfinite(value) else value
