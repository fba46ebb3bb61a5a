"""Commands, one file each: ``run(args)`` carries the command out and returns the exit code.

A file is imported when its command runs, so that ``--help`` and errors need neither torch nor MuJoCo.
"""
