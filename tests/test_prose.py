"""Docstrings and messages are made of sentences that can be read at once: at most ``LONGEST`` words each.

Attribute lists and code samples are not sentences: a line that is indented deeper than its docstring, or that shows the
interpreter's prompt, is left out, and so is an item of a list.
"""

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LONGEST = 30
ROOMS = ("characters", "mocap", "retarget", "mimic", "bench")
SPEAKING = {"say", "print"}  # functions whose arguments a user reads

_END = re.compile(r"(?<=[.!?])[)\"'`]*\s+")
_NOT_PROSE = re.compile(r"^(\s{2,}|>>>|\.\.\.|\||[-*] |\w+:$)")  # indented, a prompt, a table, an item, a heading


def sentences(text: str) -> Iterator[str]:
    """The sentences of a docstring or a message; lists and code samples are left out."""
    for paragraph in re.split(r"\n\s*\n", inspect.cleandoc(text)):
        lines = paragraph.split("\n")
        if not lines[0].startswith(">>>"):
            prose = " ".join(line for line in lines if not _NOT_PROSE.match(line))
            yield from _END.split(prose)


def words(sentence: str) -> int:
    """How many words a sentence has; a dash or a formula's sign is none."""
    return sum(any(sign.isalnum() for sign in word) for word in sentence.split())


def docstrings(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """(line, text) of each docstring."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            text = ast.get_docstring(node)
            if text:
                yield node.body[0].lineno, text


def messages(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """(line, text) of each string that is raised, said, printed or shown by ``--help``; a placeholder is one word."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Raise) and node.exc is not None:
            yield from _texts(node.exc)
        elif isinstance(node, ast.Call) and _name(node.func) in SPEAKING:
            for argument in node.args:
                yield from _texts(argument)
        elif isinstance(node, ast.keyword) and node.arg == "help":
            yield from _texts(node.value)


def _texts(node: ast.AST) -> Iterator[tuple[int, str]]:
    if isinstance(node, ast.JoinedStr):
        yield node.lineno, "".join(str(part.value) if isinstance(part, ast.Constant) else "X" for part in node.values)
    elif isinstance(node, ast.Constant):
        if isinstance(node.value, str):
            yield node.lineno, node.value
    else:
        for child in ast.iter_child_nodes(node):
            yield from _texts(child)


def _name(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def too_long(source: str) -> list[tuple[int, str]]:
    """(line, sentence) of each sentence of more than ``LONGEST`` words in the docstrings and messages of ``source``."""
    tree = ast.parse(source)
    spoken = [*docstrings(tree), *messages(tree)]
    return [(line, each) for line, text in spoken for each in sentences(text) if words(each) > LONGEST]


def test_no_sentence_of_a_docstring_or_message_is_longer_than_thirty_words():
    paths = [path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))] + [ROOT / "run_mimic.py"]
    found = [
        f"{path.relative_to(ROOT)}:{line}: {words(each)} words: {' '.join(each.split())[:100]}"
        for path in paths
        for line, each in too_long(path.read_text(encoding="utf-8"))
    ]
    assert not found, f"{len(found)} sentences to shorten:\n" + "\n".join(found)


def test_the_check_finds_long_sentences_in_docstrings_and_messages_alone():
    long = " ".join(["word"] * 31)
    assert [line for line, _ in too_long(f'"""Short.\n\nTwo. {long}.\n"""\n')] == [1]
    assert [line for line, _ in too_long(f'\nraise ValueError(f"{{x}} {long}")\n')] == [2]
    assert [line for line, _ in too_long(f'say("short", file)\nprint("{long}")\n')] == [2]
    assert too_long(f'text = "{long}"\n"""Short. {long[:100]}.\n\n    field: {long}\n\n>>> {long}\n"""\n') == []
    assert too_long(f'"""{long[:74]}. {long[:74]}.\n\n| {long} |\n"""\n') == []
