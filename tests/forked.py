"""Scripts as processes of their own, without the seconds that importing the libraries takes.

Python's fork server imports the libraries once and runs nothing. Each script is a fork of it: a
process with arguments, streams, folder, environment and exit status of its own. What imports do is
therefore not seen here; ``make quickstart`` starts the tools as a user does.
"""

import atexit
import multiprocessing
import os
import runpy
import subprocess
import sys
from pathlib import Path

_CONTEXT = multiprocessing.get_context('forkserver')
_CONTEXT.set_forkserver_preload(
    ['mmgreen.apis', 'mmgreen.report', 'mmdet.apis', 'mmpretrain.models', 'timm', 'frozen']
)


class Forked:
    """A Python script that runs in a fork; of the interface of :class:`subprocess.Popen`.

    Args:
        command: The script and its arguments.
        stdout: File or terminal that standard output is appended to.
        stderr: The same for standard error.
        cwd: Working folder.
        env: Environment; by default this process's.
    """

    def __init__(
        self, command: list[str], stdout: Path, stderr: Path, cwd: Path, env: dict | None = None
    ) -> None:
        self._process = _CONTEXT.Process(
            target=_run,
            args=(command, str(stdout), str(stderr), str(cwd), dict(env or os.environ)),
        )
        self._process.start()
        self.args, self.pid = command, self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        """The exit status, minus a signal's number where one ended it; None while it runs."""
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired(self.args, timeout)
        return self._process.exitcode

    def kill(self) -> None:
        self._process.kill()


def _run(command: list[str], stdout: str, stderr: str, cwd: str, env: dict) -> None:
    os.setsid()
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    for number, path in ((1, stdout), (2, stderr)):
        file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOCTTY)
        os.dup2(file, number)
        os.close(file)
    sys.stdout = os.fdopen(1, 'w', buffering=1, closefd=False)
    sys.stderr = os.fdopen(2, 'w', buffering=1, closefd=False)
    script = os.path.join(cwd, command[0])
    sys.argv = [command[0], *command[1:]]
    sys.path[:0] = [os.path.dirname(script)]
    try:
        runpy.run_path(script, run_name='__main__')
    finally:
        atexit._run_exitfuncs()  # multiprocessing leaves them out
