"""The program's name as the user typed it, so that a printed command can be copied."""

name = "run_mimic.py"  # the installed program sets "mimic"


def command(words: str) -> str:
    """Return the command line that runs this program with the arguments ``words``.

    >>> command("train --clip walk")
    'run_mimic.py train --clip walk'
    """
    return f"{name} {words}"
