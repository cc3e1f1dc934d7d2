"""What the command line says reaches the settings it is meant for, as it was written."""

import argparse

import pytest

from mmgreen.cli.arguments import add_cfg_options
from mmgreen.config import load_config


def test_a_new_root_moves_what_is_below_the_old_one_alone(tmp_path):
    path = tmp_path / 'c.py'
    path.write_text(
        "data_root = 'data/mine'\n"
        "a = dict(data_root='data/mine', ann_file='data/mine/x.json')\n"
        "b = dict(data_root='data/mine2/x', ann_file='data/mine2.json')\n"
        "c = dict(data_root='data/mine/')\n"
    )
    cfg = load_config(path, dict(data_root='NEW'))
    assert cfg.a == dict(data_root='NEW/', ann_file='NEW/x.json')
    assert cfg.b == dict(data_root='data/mine2/x', ann_file='data/mine2.json')
    assert cfg.c == dict(data_root='NEW/')


@pytest.mark.parametrize(
    ('text', 'value'),
    [
        ('my data/day 1/', 'my data/day 1/'),
        ('a  b', 'a  b'),
        ('[my data, other data]', ['my data', 'other data']),
        ('[1, 2]', [1, 2]),
        ('(1, (2, 3))', (1, (2, 3))),
        ('photo (1).jpg', 'photo (1).jpg'),
        ('1,2', [1, 2]),
        ('None', None),
    ],
)
def test_spaces_within_words_stay(text, value):
    parser = argparse.ArgumentParser()
    add_cfg_options(parser)
    assert parser.parse_args(['--cfg-options', f'data_root={text}']).cfg_options == {
        'data_root': value
    }
