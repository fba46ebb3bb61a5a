"""Print the script by which a shell completes commands, options, and their values."""

import argparse

from mimic.cli.arguments import Parser, commands_of
from mimic.cli.main import all_commands
from mimic.core import program
from mimic.core.printing import show
from mimic.runs.controller import shipped_controllers
from mocap.catalogue import clip_names

_BASH = """_mimic() {{
  local word="${{COMP_WORDS[COMP_CWORD]}}" words=""
  local command="${{COMP_WORDS[1]}}"
  [[ "$command" == -* ]] && command=run
  case "$command ${{COMP_WORDS[COMP_CWORD-1]}}" in
{values}
    *) case "$COMP_CWORD $command" in
      1*) words="{commands} {run}" ;;
{options}
    esac ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "$word"))
}}
complete -o default -F _mimic {name}"""
_ZSH = "autoload -U +X bashcompinit && bashcompinit\n"


def run(args: argparse.Namespace) -> int:
    """Print the script for ``args.shell``."""
    show((_ZSH if args.shell == "zsh" else "") + bash_script(commands_of(all_commands().parser)))
    return 0


def bash_script(commands: dict[str, Parser]) -> str:
    """Return the script for bash. Where it knows no word, the shell completes the names of files."""
    values = [
        f'    "{name} {option}") words="{words}" ;;'
        for name, parser in commands.items()
        for action in parser._actions
        if (words := _words(action))
        for option in action.option_strings
    ]
    options = {name: " ".join((*commands_of(parser), *_long_options(parser))) for name, parser in commands.items()}
    cases = [f'      *" {name}") words="{words}" ;;' for name, words in options.items()]
    return _BASH.format(
        values="\n".join(values),
        options="\n".join(cases),
        commands=" ".join(commands),
        run=options["run"],
        name=program.name,
    )


def _long_options(parser: Parser) -> list[str]:
    return sorted(option for option in parser._option_string_actions if option.startswith("--"))


def _words(action: argparse.Action) -> str:
    """Return the values that an option can have; an empty text if they are not known."""
    if action.dest == "clip":
        return " ".join(clip_names())
    if action.dest == "controller":
        return " ".join(sorted(shipped_controllers()))
    return " ".join(map(str, action.choices or ()))
