"""The one exception for faults that a user can correct."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


class UserError(ValueError):
    """A fault in a setting or a file; its message is one sentence that says what to do.

    The command line tools print the message, without a traceback, and exit
    with status 1.
    """


@contextmanager
def one_sentence() -> Iterator[None]:
    """Turn a :class:`UserError` into its message on stderr and exit status 1."""
    try:
        yield
    except UserError as error:
        # From a dataloader's worker the message arrives below its traceback.
        whole = str(error).strip()
        traced = whole.startswith('Caught ') or 'Traceback (most recent' in whole
        message = whole.splitlines()[-1] if traced else ' '.join(whole.splitlines())
        # A file's name may hold what a terminal would obey, or cannot show.
        shown = ''.join(c if c.isprintable() else repr(c)[1:-1] for c in message)
        sys.exit(f'error: {shown.split("UserError: ")[-1]}')
