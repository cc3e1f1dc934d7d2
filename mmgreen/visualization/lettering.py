"""Names of any script in pictures: by a font that has their letters, or by numbers."""

import logging
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from matplotlib import rcParams
from matplotlib.font_manager import fontManager, get_font
from mmengine.logging import print_log

_FAMILY: Final = 'font.sans-serif'


def drawable(names: Sequence[str]) -> tuple[str, ...]:
    """The names as pictures can show them.

    The first font of this machine that has all letters becomes matplotlib's. Where none has, a name
    with letters that are missing becomes its number, ``#3``, and the log says once which is which.

    Args:
        names: Of the categories, in their order.
    """
    rcParams['text.parse_math'] = False  # a name may hold a dollar
    letters = frozenset(c for name in names for c in name if not c.isspace())
    found = _font_with(letters)
    if found:
        rcParams[_FAMILY] = [found, *(f for f in rcParams[_FAMILY] if f != found)]
        return tuple(names)
    drawn = tuple(
        name if _font_with(frozenset(name) - {' '}) == family() else f'#{number}'
        for number, name in enumerate(names)
    )
    _say(tuple(zip(drawn, names, strict=True)))
    return drawn


@lru_cache(maxsize=1)
def _say(pairs: tuple[tuple[str, str], ...]) -> None:
    numbered = ', '.join(f'{number} {name}' for number, name in pairs if number != name)
    print_log(
        f'no font of this machine has the letters of all categories, so that pictures show numbers: '
        f'{numbered} (install one, such as fonts-noto-cjk of Debian, and remove ~/.cache/matplotlib)',
        logger='current',
        level=logging.WARNING,
    )


def family() -> str:
    """The name of the font that :func:`drawable` has chosen last, or matplotlib's own."""
    return str(rcParams[_FAMILY][0])


@lru_cache(maxsize=256)
def _font_with(letters: frozenset[str]) -> str | None:
    """The family of a font that has all of some letters, the one that is used already first."""
    first = family()
    fonts = sorted(
        (font for font in fontManager.ttflist if font.style == 'normal' and font.weight == 400),
        key=lambda font: (font.name != first, 'sans' not in font.name.lower(), font.name),
    )
    for font in fonts:
        if 'Last Resort' in font.name:  # it has boxes for all of them
            continue
        try:
            known = get_font(font.fname).get_charmap()
        except (OSError, RuntimeError):  # a font that is damaged
            continue
        if all(ord(letter) in known for letter in letters):
            return str(font.name)
    return None
