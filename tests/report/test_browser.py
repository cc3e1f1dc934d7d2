"""The report in a real browser: Chromium, headless."""

import json

import numpy as np
import pytest
from helpers import ROOT
from PIL import Image
from synthetic import make_coco

from mmgreen.report import write_report

pytestmark = pytest.mark.slow


@pytest.fixture(scope='module', params=['comparison', 'single', 'quickstart'])
def report(request, tmp_path_factory):
    """A comparison of two runs with pictures, one run, and what the quickstart left."""
    if request.param == 'quickstart':
        path = ROOT / 'work_dirs/quickstart/report/report.html'
        if not path.is_file():
            pytest.skip('there is no report of the quickstart yet: make quickstart')
        return path
    folder = tmp_path_factory.mktemp(request.param)
    truth, detections = make_coco(5, 40, 12, size=(150, 200))
    several = request.param == 'comparison'
    if several:
        truth['categories'][3]['name'] = 'a category of a very long name, ' * 3
    (folder / 'annotations.json').write_text(json.dumps(truth))
    for image in truth['images']:
        pixels = np.full((150, 200, 3), 90, dtype=np.uint8)
        Image.fromarray(pixels).save(folder / image['file_name'])
    (folder / 'a.segm.json').write_text(json.dumps(detections))
    (folder / 'b.segm.json').write_text(json.dumps(detections[::2]))
    return write_report(
        [folder / f'{name}.segm.json' for name in ('ab' if several else 'a')],
        folder / 'report',
        ann_file=folder / 'annotations.json',
        images=folder,
    )


@pytest.mark.parametrize('scheme', ['light', 'dark'])
@pytest.mark.parametrize('width', [1200, 390])
def test_opens_without_error_or_network_and_nothing_is_cut_off(browser, report, scheme, width):
    context = browser.new_context(
        viewport=dict(width=width, height=900), color_scheme=scheme, offline=True
    )
    page = context.new_page()
    faults, requests = [], []
    page.on('console', lambda message: faults.append(message.text))
    page.on('pageerror', lambda error: faults.append(str(error)))
    page.on('request', lambda request: requests.append(request.url))
    page.goto(report.as_uri())
    assert not faults
    assert [url for url in requests if not url.startswith('data:')] == [report.as_uri()]
    assert page.evaluate('document.documentElement.scrollWidth') <= width
    pictures = page.evaluate(
        '[...document.images].map(i => [i.complete && i.naturalWidth > 0, '
        'i.getBoundingClientRect().right])'
    )
    assert len(pictures) >= 9
    assert all(loaded and right <= width for loaded, right in pictures)
    # Tables of long names scroll, and on a phone those of several runs.
    if 'single' in str(report) or ('quickstart' in str(report) and width > 1000):
        wide = page.evaluate(
            "[...document.querySelectorAll('.table')].filter(t => t.scrollWidth > t.clientWidth)"
            '.map(t => t.innerText)'
        )
        assert not wide
    # On a phone, too, the difference of two runs is in sight.
    assert page.evaluate(
        "[...document.querySelectorAll('.table')].filter(t => t.querySelector('caption')?.innerText.match("
        "'^(Boxes|Masks)$')).every(t => t.scrollWidth <= t.clientWidth)"
    )
    # No text of a chart reaches over its border.
    beyond = page.evaluate("""() => [...document.querySelectorAll('svg')].flatMap(svg => {
        const box = svg.getBoundingClientRect();
        return [...svg.querySelectorAll('text')].filter(text => {
            const r = text.getBoundingClientRect();
            return r.left < box.left - 2 || r.right > box.right + 2;
        }).map(text => text.textContent);
    })""")
    assert not beyond
    # Ink on paper, in either scheme, in charts as well.
    ink, paper, chart = page.evaluate(
        '[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor, '
        "getComputedStyle(document.querySelector('svg text')).fill]"
    )
    brightness = [sum(map(int, c[4:-1].split(','))) / 3 for c in (ink, paper, chart)]
    assert brightness[0] == brightness[2]
    assert abs(brightness[0] - brightness[1]) > 150
    assert (brightness[1] > 128) == (scheme == 'light')
    context.close()


def test_sorts_a_table_and_shows_the_figures_of_the_json(browser, report):
    data = json.loads(report.with_name('report.json').read_text())
    page = browser.new_page()
    page.goto(report.as_uri())
    shown = page.locator('table:has(caption:text-is("Boxes")) tbody tr').first.inner_text()
    for run in data['runs']:
        assert f'{run["bbox"]["figures"]["AP"]:.3f}' in shown

    table = page.locator('table:has(caption:text-is("Categories, boxes"))')
    values = {c['name'].strip(): c['AP'] for c in data['runs'][0]['bbox']['categories']}

    def names():
        return [name.strip() for name in table.locator('tbody th').all_inner_texts()]

    def sorted_values():
        return [-1 if values[name] is None else values[name] for name in names()]

    heading = table.locator('button').nth(2)
    assert heading.inner_text().startswith('AP')
    heading.click()
    assert sorted_values() == sorted(sorted_values(), reverse=True)
    assert len(names()) == data['categories']
    heading.click()
    assert sorted_values() == sorted(sorted_values())
    assert heading.locator('..').get_attribute('aria-sort') == 'ascending'
    table.locator('button').first.click()
    assert names() == sorted(names(), key=str.lower)
