"""Packaging of mmgreen; configs and tools ship inside it, under ``mmgreen/.mim``."""

import os
import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

HERE = Path(__file__).resolve().parent


class BuildWithConfigs(build_py):
    """Put configs, their index and tools below the package, as OpenMMLab packages do.

    A development install gets links, everything else gets copies.
    """

    def run(self) -> None:
        super().run()
        package = HERE / 'mmgreen' if self.editable_mode else Path(self.build_lib, 'mmgreen')
        mim = package / '.mim'
        shutil.rmtree(mim, ignore_errors=True)
        mim.mkdir(parents=True)
        for name in ('configs', 'tools', 'model-index.yml'):
            source = HERE / name
            if self.editable_mode:
                (mim / name).symlink_to(os.path.relpath(source, mim))
            elif source.is_file():
                shutil.copy(source, mim / name)
            else:
                shutil.copytree(source, mim / name, ignore=shutil.ignore_patterns('__pycache__'))


def version() -> str:
    scope: dict = {}
    exec((HERE / 'mmgreen/version.py').read_text(), scope)
    return scope['__version__']


def requirements(name: str) -> list[str]:
    lines = (HERE / f'requirements/{name}.txt').read_text().splitlines()
    return [line for line in lines if line and not line.startswith(('#', '-'))]


setup(
    name='mmgreen',
    version=version(),
    description='GreenMIM pre-training and COCO fine-tuning of Swin backbones, for OpenMMLab',
    long_description=(HERE / 'README.md').read_text(encoding='utf-8'),
    long_description_content_type='text/markdown',
    license='Apache-2.0',
    python_requires='>=3.10,<3.14',
    packages=find_packages(include=['mmgreen', 'mmgreen.*']),
    package_data={
        'mmgreen': ['py.typed'],
        'mmgreen.browsing': ['templates/*'],
        'mmgreen.choosing': ['templates/*'],
        'mmgreen.recipes': ['templates/*'],
        'mmgreen.report': ['templates/*'],
        'mmgreen.serve': ['page.html'],
    },
    entry_points={'console_scripts': ['mmgreen = mmgreen.cli.main:main']},
    cmdclass={'build_py': BuildWithConfigs},
    install_requires=requirements('runtime') + requirements('mminstall'),
    extras_require={name: requirements(name) for name in ('tests', 'docs', 'optional')},
    classifiers=[
        'Development Status :: 3 - Alpha',
        'Programming Language :: Python :: 3.10',
        'Programming Language :: Python :: 3.11',
        'Programming Language :: Python :: 3.12',
        'Topic :: Scientific/Engineering :: Artificial Intelligence',
        'Typing :: Typed',
    ],
    zip_safe=False,
)
