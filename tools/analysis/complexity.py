#!/usr/bin/env python
"""Count the floating-point operations and the parameters of a config's model."""

from mmgreen.cli.complexity import main

if __name__ == '__main__':
    main()
