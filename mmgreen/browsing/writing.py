"""Pages of pictures, in one look, each in a folder that may be written again."""

from io import BytesIO
from pathlib import Path
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader

from mmgreen.errors import UserError
from mmgreen.files import write_whole
from mmgreen.importing import AnnotatedImage

from .thumbnail import draw_thumbnail

# What every page has in its head.
_MARK = '<meta name="generator" content="mmgreen browse">'
_PAGE = 'index.html'


def refuse_other_files(out: Path) -> None:
    """Refuse a folder that holds files of other origin than an earlier page.

    Raises:
        UserError: If it does.
    """
    page, others = out / _PAGE, out.is_dir() and any(out.iterdir())
    if others and not (page.is_file() and _MARK in page.read_text(errors='replace')):
        raise UserError(f'{out} holds files that are no earlier page: name another folder (--out)')


def write_page(out: Path, package: str, template: str, title: str, **values: Any) -> Path:
    """Write a page from a template that extends ``base.html.j2`` of this package.

    Args:
        out: Its folder.
        package: The template's.
        template: Its file.
        title: Of the page.
        **values: What the template shows.
    """
    loader = ChoiceLoader([PackageLoader(package), PackageLoader(__package__)])
    environment = Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    text = environment.get_template(template).render(values, mark=_MARK, title=title)
    write_whole(out / _PAGE, text)
    return out / _PAGE


def write_thumbnail(
    out: Path, number: int | str, path: Path, image: AnnotatedImage, categories: tuple[str, ...]
) -> str:
    """Write the thumbnail of an image, see :func:`draw_thumbnail`.

    Returns:
        Its address on a page in ``out``; empty where the image cannot be read.
    """
    try:
        drawn = draw_thumbnail(path, image, categories)
    except UserError:  # said elsewhere
        return ''
    file, picture = BytesIO(), f'thumbnails/{number}.jpg'
    drawn.save(file, 'JPEG', quality=80)
    write_whole(out / picture, file.getvalue())
    return picture
