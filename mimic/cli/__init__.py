"""The command line: one file per family of commands declares their options; ``commands/`` has one file per command.

A command's module is imported when the command runs, so that ``--help`` and errors appear at once.
"""
