from pathlib import Path

from bench import controller_table
from mimic.runs.controller import shipped_controllers


def test_the_document_says_what_the_controllers_say():
    text = (Path(__file__).parents[2] / "docs" / "results.md").read_text(encoding="utf-8")
    table, libraries = controller_table.markdown(), controller_table.libraries()
    assert table.count("\n") == len(shipped_controllers()) - len(libraries) + 1
    for part in (table, *(controller_table.library_markdown(one) for one in libraries.values())):
        assert part in text, "run `python -m bench.controller_table` and put what it prints into docs/results.md"
