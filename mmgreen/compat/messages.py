"""What libraries say of their own work, and no user can act on."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


def install() -> None:
    """Let mmengine's ``print_log`` heed the level of what has no logger.

    Without a logger it prints everything, debugging messages too: that packages
    of another company's datasets are not there.
    """
    import mmengine.logging

    print_log = mmengine.logging.print_log

    def print_log_by_level(msg: Any, logger: Any = None, level: int = logging.INFO) -> None:
        if logger is not None or level > logging.DEBUG:
            print_log(msg, logger, level)

    mmengine.logging.print_log = print_log_by_level


@contextmanager
def quiet(*loggers: logging.Logger, level: int = logging.ERROR) -> Iterator[None]:
    """Without what is said below a level."""
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(level)
    try:
        yield
    finally:
        for logger, before in zip(loggers, levels, strict=True):
            logger.setLevel(before)
