from pathlib import Path

from mimic import skill_table
from mimic.skill import shipped_skills


def test_the_document_says_what_the_controllers_say():
    text = (Path(__file__).parents[1] / "docs" / "results.md").read_text(encoding="utf-8")
    table = skill_table.markdown()
    assert table.count("\n") == len(shipped_skills()) + 1
    assert table in text, "run `python -m mimic.skill_table` and put what it prints into docs/results.md"
