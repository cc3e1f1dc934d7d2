"""The document: names of any script, thousands of categories."""

from synthetic import make_coco
from written import report_of


def test_names_of_any_script_and_with_markup(tmp_path):
    truth, detections = make_coco(4, 30, 4)
    names = ['Żółw $x_1$', '自転車', '<script>alert(1)</script>', 'a|b & "c"']
    for category, name in zip(truth['categories'], names, strict=True):
        category['name'] = name
    html, data = report_of(tmp_path, truth, detections)
    assert [c['name'] for c in data['runs'][0]['segm']['categories']] == names
    assert '自転車' in html
    assert 'Żółw $x_1$' in html
    assert '<script>alert' not in html
    rows = (tmp_path / 'report/report.md').read_text().splitlines()
    found = {line.count('|') - line.count('\\|') for line in rows if line.startswith('| a\\|b')}
    assert found == {10, 7}  # columns of categories and of confusions, whatever a name holds


def test_thousands_of_categories(tmp_path):
    truth, detections = make_coco(20, 1500, 1200)
    html, data = report_of(tmp_path, truth, detections)
    assert len(data['runs'][0]['bbox']['categories']) == 1200
    assert 'best and worst 40' in html
