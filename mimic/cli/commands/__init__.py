"""What each command does, one file each: ``run(args)`` gives the exit code.

A file is imported when its command runs, so that ``--help`` and complaints need neither torch nor MuJoCo.
"""
