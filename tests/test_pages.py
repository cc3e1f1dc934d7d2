"""What the pages say is there: commands and their options, messages, private names, the contract."""

import importlib
import re
import shlex

import pytest
from helpers import ROOT

from mmgreen.cli.main import COMMANDS

PAGES = [ROOT / 'README.md', ROOT / 'CONTRIBUTING.md', *sorted((ROOT / 'docs').glob('*.md'))]
NAMES = [name for names in COMMANDS.values() for name in names]
#: Messages of others that the page on troubles explains.
FOREIGN = {'libGL.so.1: cannot open shared object file', 'operator torchvision::nms does not exist'}
FOREIGN |= {'CUDA out of memory'}


def blocks(text):
    return re.findall(r'```bash\n(.*?)```', text, re.S)


def commands(text):
    """The words of each command of the page's blocks, without comments and what is piped."""
    for block in blocks(text):
        for line in block.replace('\\\n', ' ').splitlines():
            words = shlex.split(line, comments=True)
            while words and ('=' in words[0].split('/')[0] or words[0] in ('taskset', '-c', '0')):
                words = words[1:]  # variables, and where a command runs
            if words:
                yield words


def options_of(command, capsys):
    module = importlib.import_module(f'mmgreen.cli.{command.replace("-", "_")}')
    with pytest.raises(SystemExit):
        module.main(['--help'])
    return set(re.findall(r'--[a-z][\w-]*', capsys.readouterr().out))


@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.name)
def test_every_command_of_a_page_is_there(page, capsys):
    make = set(re.findall(r'^([a-z-]+):', (ROOT / 'Makefile').read_text(), re.M))
    for program, *words in commands(page.read_text()):
        if program == 'make':
            assert {word for word in words if word.isidentifier()} <= make, words
        if program == 'python' and words[0].endswith('.py'):
            program = words.pop(0)
        if program == 'mmgreen':
            command = words.pop(0)
            assert command in NAMES, command
        elif program.startswith(('tools/', 'tests/')):
            assert (ROOT / program).is_file(), program
            found = re.search(r'from mmgreen\.cli\.(\w+) import', (ROOT / program).read_text())
            if not found:  # a script of the shell, or one that stands alone
                continue
            command = found[1]
        else:
            continue
        known = options_of(command, capsys)
        assert {word for word in words if word.startswith('--')} <= known, (command, words)
    for path in re.findall(
        r'`((?:tools|tests|mmgreen|configs|docs)/[\w./-]+\.\w+)`', page.read_text()
    ):
        assert (ROOT / path).is_file() or 'configs/mine' in path, path


def test_both_readmes_have_the_same_commands_and_links():
    english, chinese = (ROOT / name for name in ('README.md', 'README_zh-CN.md'))
    assert blocks(english.read_text()) == blocks(chinese.read_text())
    links = [
        [link for link in re.findall(r'\]\(([^)]+)\)', path.read_text()) if 'README' not in link]
        for path in (english, chinese)
    ]
    assert links[0] == links[1]
    assert all((ROOT / link).is_file() for link in links[0] if '://' not in link)
    assert len(english.read_text().splitlines()) <= 70


def test_every_message_of_the_page_on_troubles_is_one_that_is_said():
    source = ''.join(path.read_text() for path in (ROOT / 'mmgreen').rglob('*.py'))
    source += (ROOT / 'Makefile').read_text()
    source = re.sub(r"'\s*\n\s*f?'", '', source)  # strings in pieces
    page = (ROOT / 'docs/troubleshooting.md').read_text()
    messages = re.findall(r'^\| `([^`]+)`(?:, `([^`]+)`)*', page, re.M)
    said = {message for row in messages for message in row if message} - FOREIGN
    assert len(said) > 25
    for message in said:
        for part in re.split(r'\.\.\.|\d+x\d+|\d', message.removeprefix('error: ')):
            part = part.strip(" ';:")
            assert len(part) < 4 or part in source, (message, part)


def test_private_names_of_the_page_on_other_libraries_are_where_it_says():
    page = (ROOT / 'docs/upstream.md').read_text()
    *_, tables = page.partition('## Replaced elsewhere')
    rows = re.findall(r'^\| (.+?) \| `([\w/{},.]+)` \|', tables, re.M)
    assert len(rows) > 12
    for names, where in rows:
        stem, _, listed = where.partition('{')
        places = [
            f'{stem}{part}{listed.partition("}")[2]}'
            for part in listed.partition('}')[0].split(',')
        ]
        files = [ROOT / 'mmgreen' / place for place in places]
        text = ''.join(
            path.read_text()
            if path.is_file()
            else ''.join(p.read_text() for p in path.glob('*.py'))
            for path in files
        )
        for name in re.findall(r'`(?:[\w.]+\.)?(_\w+)`', names):
            assert name in text, (name, where)


# What a class does not have yet.
OF_INSTANCES = {'init_cfg', 'out_indices', 'grouping'}


def test_the_contract_of_a_backbone_is_whole():
    from mmgreen.models.backbones import GreenSwinTransformer

    page = (ROOT / 'docs/backbones.md').read_text()
    told = set(re.findall(r'^\| `(\w+)[(`]', page, re.M))
    algorithm = (ROOT / 'mmgreen/models/selfsup/greenmim.py').read_text()
    asked = set(re.findall(r'(?:self\.backbone|encoder)\.(\w+)', algorithm))
    assert asked <= told
    assert all(hasattr(GreenSwinTransformer, name) for name in told - OF_INSTANCES)


def test_a_thing_has_one_word():
    """The list of CONTRIBUTING.md, where a word cannot be meant otherwise."""
    discarded = ('from nothing', 'by heart', 'pre-training bought', 'a brother')
    texts = [*ROOT.glob('*.md'), *(ROOT / 'docs').rglob('*.md'), *(ROOT / 'configs').rglob('*.py')]
    texts += [p for p in (ROOT / 'mmgreen').rglob('*') if p.suffix in ('.py', '.j2', '.html')]
    found = [
        (path.name, word)
        for path in texts
        for word in discarded
        if word in ' '.join(path.read_text().split()) and path.name != 'CONTRIBUTING.md'
    ]
    assert not found
