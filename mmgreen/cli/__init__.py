"""Commands: their arguments, and the calls that do what they ask for.

Nothing here imports a slow library before its arguments are read, so that ``--help`` and a wrong
command line are answered at once.
"""
