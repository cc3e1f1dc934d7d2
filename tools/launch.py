#!/usr/bin/env python
"""torchrun, with an exit status that says whether to start the job again."""

from mmgreen.cli.launch import main

if __name__ == '__main__':
    main()
