"""A character outside the package: ``MIMIC_PLUGINS=tests.plugins.inchworm_character`` makes it known to every command."""

from pathlib import Path

from characters import register_character

register_character(Path(__file__).with_name("inchworm"))
