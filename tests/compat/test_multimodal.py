"""mmpretrain imports, whatever transformers is beside it."""

from importlib.metadata import PackageNotFoundError
from types import SimpleNamespace

import pytest

from mmgreen.compat import multimodal


@pytest.mark.parametrize(
    ('version', 'left'), [('4.57.1', True), ('5.0.0', False), ('10.1', False), (None, True)]
)
def test_its_multimodal_models_are_left_out_where_they_cannot_be_imported(
    version, left, monkeypatch
):
    def installed(name):
        if version is None:
            raise PackageNotFoundError(name)
        return version

    monkeypatch.setattr(multimodal, 'version', installed)
    dependency = SimpleNamespace(WITH_MULTIMODAL=True)
    multimodal.install(dependency)
    assert dependency.WITH_MULTIMODAL is left
