"""``python -m mmgreen``, the same as the command ``mmgreen``."""

from mmgreen.cli.main import main

main()
