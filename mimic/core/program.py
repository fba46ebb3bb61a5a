"""The program's name as the user typed it, so that a printed command can be copied."""

name = "mimic"  # run_mimic.py sets its own


def command(words: str) -> str:
    """Return the command line that runs this program with the arguments ``words``.

    >>> command("train --clip walk")
    'mimic train --clip walk'
    """
    return f"{name} {words}"
