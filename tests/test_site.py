"""The documentation site in a real browser: Chromium, headless."""

import functools
import http.server
import threading
from pathlib import Path
from urllib.parse import unquote, urlparse

import pytest
from helpers import ROOT

pytestmark = pytest.mark.slow
SITE = ROOT / 'site'


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@pytest.fixture(scope='module')
def address():
    """Where the site is served, on this machine."""
    if not (SITE / 'index.html').is_file():
        pytest.skip('the site is not built yet: make docs')
    handler = functools.partial(Quiet, directory=str(SITE))
    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f'http://127.0.0.1:{server.server_port}/'
    server.shutdown()


def test_every_page_opens_and_no_link_is_broken(address, browser):
    page = browser.new_page()
    faults, asked = [], set()
    page.on('pageerror', lambda error: faults.append(str(error)))
    page.on('response', lambda r: r.ok or r.status == 304 or faults.append(r.url))
    page.on('request', lambda request: asked.add(request.url))
    waiting, seen = [address], set()
    while waiting:
        url = waiting.pop()
        seen.add(url)
        page.goto(url)
        assert ':class:' not in page.inner_text('main')  # docstrings are Markdown there
        links = page.eval_on_selector_all('a[href]', 'all => all.map(a => a.href)')
        anchors = set(page.eval_on_selector_all('[id]', 'all => all.map(e => e.id)'))
        for link in links:
            base, _, anchor = link.partition('#')
            if not link.startswith(address):
                continue
            if base == url and anchor and anchor not in anchors:
                faults.append(link)
            if base not in seen and base not in waiting and base.endswith(('/', '.html')):
                waiting.append(base)
    page.close()
    assert not faults
    assert len(seen) >= 12
    assert all(url.startswith((address, 'data:', 'blob:')) for url in asked)


def test_it_opens_from_a_folder(browser):
    if not (SITE / 'index.html').is_file():
        pytest.skip('the site is not built yet: make docs')
    page = browser.new_page(viewport=dict(width=1400, height=900))
    page.goto((SITE / 'index.html').as_uri())
    links = page.eval_on_selector_all('a[href]', 'all => all.map(a => a.href.split(/[?#]/)[0])')
    local = {unquote(urlparse(link).path) for link in links if link.startswith('file:')}
    assert len(local) > 30
    assert all(Path(path).is_file() for path in local)
    page.goto((SITE / 'journeys.html').as_uri())  # no code or comment is cut off
    assert page.locator('pre code').count() > 5
    assert not page.evaluate(
        "[...document.querySelectorAll('pre code')].some(e => e.scrollWidth > e.clientWidth + 1)"
    )
    page.close()


def test_settings_are_found_by_name(address, browser):
    page = browser.new_page(viewport=dict(width=1400, height=900))
    page.goto(address)
    # The search listens to keys, and `fill` presses none.
    page.locator('input.md-search__input').press_sequentially('max_iters')
    found = page.locator('.md-search-result__item').first
    found.wait_for()
    assert 'Every setting' in found.inner_text()
    page.close()
