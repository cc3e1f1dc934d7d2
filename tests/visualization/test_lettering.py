"""Names of any script in pictures: the letters where a font has them, else numbers that the log explains."""

import matplotlib
import pytest
from matplotlib import font_manager

from mmgreen.visualization import drawable, lettering


@pytest.fixture(autouse=True)
def fonts(monkeypatch):
    """The fonts that come with matplotlib, which have no Chinese."""
    own = [f for f in font_manager.fontManager.ttflist if matplotlib.get_data_path() in f.fname]
    monkeypatch.setattr(font_manager.fontManager, 'ttflist', own)
    lettering._font_with.cache_clear()
    lettering._say.cache_clear()
    yield
    lettering._font_with.cache_clear()


def test_letters_that_a_font_has_are_drawn():
    assert drawable(('cat', 'Кошка', 'γάτα', '$x$')) == ('cat', 'Кошка', 'γάτα', '$x$')
    assert not matplotlib.rcParams['text.parse_math']


def test_what_no_font_has_is_numbered_and_said_once(logged):
    for _ in range(2):
        assert drawable(('cat', '干净', 'dog', '脏污')) == ('cat', '#1', 'dog', '#3')
    assert logged.text.count('#1 干净, #3 脏污') == 1


def test_a_font_with_the_letters_is_taken(monkeypatch):
    """Mathematical letters are in one of matplotlib's fonts alone."""
    assert drawable(('⨋ sum', '⨌')) == ('⨋ sum', '⨌')
    assert matplotlib.rcParams['font.sans-serif'][0] != 'DejaVu Serif'
