"""What of the site follows from the code: the page of every setting, and docstrings as Markdown.

mkdocs calls it; see ``hooks`` in mkdocs.yml.
"""

import inspect
import re

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
    'Optimizers': 'OPTIM_WRAPPER_CONSTRUCTORS',
}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated page."""
    files.append(File.generated(config, 'settings.md', content=settings_page()))
    return files


def on_page_content(html: str, **kwargs) -> str:
    """Show Sphinx's roles of docstrings as what they name."""
    return re.sub(
        r':(?:class|func|meth|data|mod|attr):<code>~?([^<]*)</code>', r'<code>\1</code>', html
    )


def settings_page() -> str:
    """Every setting of every registered module, as Markdown."""
    import mmgreen.registry as registries

    parts = [
        '# Every setting\n',
        'The modules of this project, as they are named in configs, and what can be set in each. '
        'Settings of the module of OpenMMLab that one inherits from work, too; `kwargs` says '
        'which that is.\n',
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
