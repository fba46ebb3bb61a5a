"""What the command line can do, a file a family of verbs: their options, and what each calls.

Whatever is slow to import is imported where a verb runs, so that ``--help`` and complaints come at once.
"""
