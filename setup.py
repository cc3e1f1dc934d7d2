"""Packaging of mmgreen; configs and tools ship inside it, under ``mmgreen/.mim``."""

import os
import shutil
import sys
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).resolve().parent


def version() -> str:
    scope: dict = {}
    exec((HERE / 'mmgreen/version.py').read_text(), scope)
    return scope['__version__']


def requirements(name: str) -> list[str]:
    lines = (HERE / f'requirements/{name}.txt').read_text().splitlines()
    return [line for line in lines if line and not line.startswith(('#', '-'))]


def add_mim_extension() -> None:
    """Put configs, their index and tools below the package, as OpenMMLab packages do.

    A development install gets links, everything else gets copies.
    """
    link = 'develop' in sys.argv or 'editable_wheel' in sys.argv
    mim = HERE / 'mmgreen' / '.mim'
    mim.mkdir(exist_ok=True)
    for name in ('configs', 'tools', 'model-index.yml'):
        target = mim / name
        if target.is_symlink() or target.is_file():
            target.unlink()
        elif target.exists():
            shutil.rmtree(target)
        if link:
            target.symlink_to(os.path.relpath(HERE / name, mim))
        elif (HERE / name).is_file():
            shutil.copy(HERE / name, target)
        else:
            ignore = shutil.ignore_patterns('__pycache__')
            shutil.copytree(HERE / name, target, ignore=ignore)


add_mim_extension()
setup(
    name='mmgreen',
    version=version(),
    description='GreenMIM pre-training and COCO fine-tuning of Swin backbones, for OpenMMLab',
    long_description=(HERE / 'README.md').read_text(encoding='utf-8'),
    long_description_content_type='text/markdown',
    license='Apache License 2.0',
    python_requires='>=3.10,<3.13',
    packages=find_packages(include=['mmgreen', 'mmgreen.*']),
    include_package_data=True,
    install_requires=requirements('runtime') + requirements('mminstall'),
    extras_require={
        'tests': requirements('tests'),
        'optional': requirements('optional'),
    },
    classifiers=[
        'Development Status :: 3 - Alpha',
        'License :: OSI Approved :: Apache Software License',
        'Programming Language :: Python :: 3.10',
        'Programming Language :: Python :: 3.11',
        'Programming Language :: Python :: 3.12',
        'Topic :: Scientific/Engineering :: Artificial Intelligence',
    ],
    zip_safe=False,
)
