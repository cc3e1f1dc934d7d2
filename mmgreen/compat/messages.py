"""What libraries say while they are imported, and no user can act on."""

import logging
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
