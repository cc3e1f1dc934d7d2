"""Runs that one process builds one after the other."""

from toy import toy_config, train


def test_runs_that_begin_in_the_same_second_have_each_their_own_log(tmp_path):
    for run, name in enumerate(('the-same', 'the-same', 'another', 'the-same')):
        cfg = toy_config(tmp_path / str(run))
        cfg.experiment_name = name
        train(cfg)
        (figures,) = (tmp_path / str(run)).glob('*/vis_data/scalars.json')
        assert len(figures.read_text().splitlines()) == 14
