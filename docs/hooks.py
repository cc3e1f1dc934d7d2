"""What of the site follows from elsewhere: the start page, the pages of every setting and of every package.

mkdocs calls it; see ``hooks`` in mkdocs.yml.
"""

import inspect
import re
from pathlib import Path

from griffe import Docstring, DocstringSectionKind
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

#: Registries by heading, in the order of the page.
KINDS = {
    'Models': 'MODELS',
    'Datasets': 'DATASETS',
    'Hooks': 'HOOKS',
    'Loops': 'LOOPS',
    'Metrics': 'METRICS',
    'Visualizers': 'VISUALIZERS',
    'Optimizers': 'OPTIM_WRAPPER_CONSTRUCTORS',
}


#: Packages by page, and what of each is documented, if not its own names.
PACKAGES = {
    'apis': (),
    'sparse': (),
    'models': ('models', 'models.teachers'),
    'checkpoints': (),
    'config': (),
    'engine': (),
    'datasets': ('datasets.coco_dataset', 'datasets.folders', 'datasets.annotations'),
    'importing': ('importing', 'importing.checking'),
    'evaluation': (),
    'visualization': (),
    'report': (),
    'deploy': (),
    'serve': (),
    'benchmark': (),
    'study': (),
}
ROOT = Path(__file__).resolve().parent.parent


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages."""
    pages = {'index.md': start_page(), 'settings.md': settings_page()}
    for package, modules in PACKAGES.items():
        parts = [f'# mmgreen.{package}', *(f'::: mmgreen.{name}' for name in modules or (package,))]
        pages[f'api/{package}.md'] = '\n\n'.join(parts) + '\n'
    for name, content in pages.items():
        files.append(File.generated(config, name, content=content))
    return files


def start_page() -> str:
    """The README, whose links lead to pages of the site; to what is no page, the words are left."""
    text = (ROOT / 'README.md').read_text(encoding='utf-8')
    text = text.replace('\n[中文](README_zh-CN.md)\n', '\n').replace('](docs/', '](')
    return re.sub(r'\[([^\]]*)\]\((?:[\w-]+\.md|\w+\.ipynb)\)', _known, text)


def _known(link: re.Match) -> str:
    page = link[0].rpartition('(')[2].rstrip(')')
    return link[0] if (ROOT / 'docs' / page).is_file() and page.endswith('.md') else link[1]


def on_page_content(html: str, **kwargs) -> str:
    """Show Sphinx's roles of docstrings as what they name."""
    return re.sub(
        r':(?:class|func|meth|data|mod|attr):<code>~?([^<]*)</code>', r'<code>\1</code>', html
    )


#: What is set most, in every config.
SETTINGS = """## Of a run

| setting | in a config, or after `--cfg-options` |
|---|---|
| `data_root` | folder of the images; `--data FOLDER` reads one of any format |
| `max_iters` | length in steps, where a config has it: `--steps N` or `--minutes M` set it and all that follows from it (warm-up, decay, `val_interval`, intervals of checkpoints) |
| `train_cfg.max_epochs` | length in epochs, where a config is counted in them |
| `work_dir` | folder of checkpoints, log and report |
| `train_dataloader.batch_size`, `num_workers` | images of a step and process; processes that read them |
| `optim_wrapper.optimizer.lr` | learning rate |
| `model.backbone.init_cfg.checkpoint` | what the backbone starts from: a checkpoint, or the folder of a run |
| `load_from`, `resume` | start from all weights of a checkpoint; go on with a run (`--resume`) |
| `randomness.seed` | seed; 0 by default |
| `default_hooks.checkpoint.interval`, `max_keep_ckpts`, `save_best` | when checkpoints are saved, how many are kept, and the measure of the best |
| `default_hooks.logger.interval` | steps between lines of the log |
| `model.test_cfg.rcnn.score_thr`, `max_per_img` | what a detector gives at most; AP needs low scores, so leave the first where it is and use `--threshold` |
"""


def settings_page() -> str:
    """Every setting of every registered module, as Markdown."""
    import mmgreen.registry as registries

    parts = [
        '# Every setting\n',
        'The modules of this project, as they are named in configs, and what can be set in each. '
        'Settings of the module of OpenMMLab that one inherits from work, too; `kwargs` says '
        'which that is.\n',
        SETTINGS,
    ]
    for heading, name in KINDS.items():
        registry = getattr(registries, name)
        registry.import_from_location()
        parts.append(f'## {heading}\n')
        parts += [describe(module) for _, module in sorted(registry.module_dict.items())]
    return '\n'.join(parts)


def describe(module: type) -> str:
    """A module's heading, first sentence and settings."""
    docstring = Docstring(inspect.cleandoc(module.__doc__), lineno=1)
    sections = docstring.parse('google', warnings=False)
    text = sections[0].value.split('\n\n')[0].replace('\n', ' ')
    lines = [f'### mmgreen.{module.__name__}\n', f'{text}\n']
    defaults = inspect.signature(module.__init__).parameters
    for section in sections:
        if section.kind is not DocstringSectionKind.parameters:
            continue
        lines += ['| setting | default | |', '|---|---|---|']
        for setting in section.value:
            parameter = defaults.get(setting.name.lstrip('*'))
            known = parameter is not None and parameter.default is not parameter.empty
            default = f'`{parameter.default!r}`' if known else ''
            meaning = setting.description.replace('\n', ' ').replace('|', '\\|')
            lines.append(f'| `{setting.name}` | {default} | {plain(meaning)} |')
        lines.append('')
    return '\n'.join(lines)


def plain(text: str) -> str:
    """Sphinx's roles and double backquotes as Markdown."""
    text = re.sub(r':\w+:`~?([^`]+)`', r'`\1`', text)
    return text.replace('``', '`')
