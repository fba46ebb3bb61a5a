"""What the user typed to start the program, so that a hint can be typed as it is printed."""

name = "run_mimic.py"  # the installed program sets "mimic"


def command(words: str) -> str:
    """A command line of this program.

    >>> command("train --clip walk")
    'run_mimic.py train --clip walk'
    """
    return f"{name} {words}"
