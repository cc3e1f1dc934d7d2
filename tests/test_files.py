"""Files are there whole, or as they were."""

import errno
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest
from mmengine.fileio import dump, put_text

import mmgreen.checkpoints  # noqa: F401
from mmgreen import files
from mmgreen.errors import UserError
from mmgreen.files import write_keeping, write_whole


def test_content_is_replaced(tmp_path):
    path = tmp_path / 'new' / 'file'
    write_whole(path, 'grün')
    write_whole(path, b'two')
    assert path.read_bytes() == b'two'
    assert list(path.parent.iterdir()) == [path]


def test_another_content_is_kept_and_it_is_said(tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr('mmgreen.files.print_log', lambda message, logger: said.append(message))
    path = tmp_path / 'detector.py'
    assert write_keeping(path, 'one') is None
    assert write_keeping(path, 'one') is None
    assert write_keeping(path, 'two') == tmp_path / 'detector.py.1'
    path.write_text('mine')
    assert write_keeping(path, 'two') == tmp_path / 'detector.py.2'
    found = {file.name: file.read_text() for file in tmp_path.iterdir()}
    assert found == {'detector.py': 'two', 'detector.py.1': 'one', 'detector.py.2': 'mine'}
    assert said == [
        f'{path} was there with another content, which is kept as {path}.{n}' for n in (1, 2)
    ]


@pytest.mark.parametrize('step', ['fsync', 'replace'])
def test_what_fails_leaves_the_earlier_file_and_nothing_else(tmp_path, monkeypatch, step):
    write_whole(tmp_path / 'file', 'old')

    def fail(*args):
        raise OSError(errno.ENOSPC, 'No space left on device')

    monkeypatch.setattr(files.os, step, fail)
    with pytest.raises(UserError, match='cannot write .*file: no space left on device; free some'):
        write_whole(tmp_path / 'file', 'new')
    assert (tmp_path / 'file').read_text() == 'old'
    assert os.listdir(tmp_path) == ['file']


def test_a_process_that_is_killed_while_writing_leaves_the_earlier_file(tmp_path, monkeypatch):
    write_whole(tmp_path / 'file', 'old')

    class Killed(BaseException):
        pass

    def kill(*args):
        raise Killed

    monkeypatch.setattr(files.os, 'fsync', kill)
    with pytest.raises(Killed):
        write_whole(tmp_path / 'file', 'new')
    assert (tmp_path / 'file').read_text() == 'old'


def test_a_full_disk_is_said(small_disk):
    write_whole(small_disk / 'file', 'old')
    with pytest.raises(UserError, match='no space left on device; free some space'):
        write_whole(small_disk / 'file', bytes(40 << 20))
    assert (small_disk / 'file').read_text() == 'old'
    assert os.listdir(small_disk) == ['file']


def test_mmengine_writes_its_files_whole(tmp_path, monkeypatch):
    dump({'a': 1}, tmp_path / 'a.json')
    monkeypatch.setattr(files.os, 'replace', lambda *args: 1 / 0)
    for write in (
        lambda: dump({'a': 2}, tmp_path / 'a.json'),
        lambda: put_text('b', f'{tmp_path}/a.json'),
    ):
        with pytest.raises(ZeroDivisionError):
            write()
    assert (tmp_path / 'a.json').read_text() == '{"a": 1}'


def test_a_read_only_folder_is_said():
    with pytest.raises(UserError, match='cannot write /proc/mmgreen/file'):
        write_whole('/proc/mmgreen/file', 'new')
    assert subprocess.run(['ls', '/proc/mmgreen'], capture_output=True).returncode


def test_two_that_write_the_same_file_do_not_meet(tmp_path):
    def write(number):
        for _ in range(50):
            write_whole(tmp_path / 'file', str(number) * 1000)

    with ThreadPoolExecutor() as pool:
        list(pool.map(write, range(4)))
    content = (tmp_path / 'file').read_text()
    assert len(content) == 1000
    assert len(set(content)) == 1
    assert os.listdir(tmp_path) == ['file']
