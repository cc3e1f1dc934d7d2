"""mmpretrain beside a transformers that is newer than it knows."""

from importlib.metadata import PackageNotFoundError, version
from types import ModuleType

_KNOWN = 4  # the major version that mmpretrain's multimodal models are written for


def install(dependency: ModuleType) -> None:
    """Leave out mmpretrain's multimodal models where they cannot be imported.

    They are imported with all others where transformers is there, and inherit from what
    version 5 no longer has: then mmpretrain as a whole would not import.

    Args:
        dependency: ``mmpretrain.utils.dependency``.
    """
    try:
        major = int(version('transformers').split('.')[0])
    except PackageNotFoundError:
        return
    if major > _KNOWN:
        dependency.WITH_MULTIMODAL = False  # type: ignore[attr-defined]
