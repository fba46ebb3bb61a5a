"""What no source file may contain: code from data, a shell, errors swallowed whole, checks that ``python -O`` removes."""

import ast
from collections.abc import Iterator

import pytest

from tests.sources import ROOT, imports, modules, tree

UNSAFE_MODULES = ("pickle", "cPickle", "_pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve")
UNSAFE_CALLS = {
    "eval": "runs text as code",
    "exec": "runs text as code",
    "compile": "makes code of text",
    "__import__": "imports what a string names",
    "torch.load": "unpickles; checkpoints are safetensors in a checked folder",
    "torch.save": "pickles; checkpoints are safetensors in a checked folder",
    "torch.hub.load": "downloads and runs code",
    "yaml.load": "may build any object; use mimic.core.strict_config.read_yaml",
    "yaml.unsafe_load": "builds any object",
    "yaml.full_load": "builds too many objects",
    "os.system": "is a shell",
    "os.popen": "is a shell",
    "subprocess.getoutput": "is a shell",
    "subprocess.getstatusoutput": "is a shell",
    "tempfile.mktemp": "is a race",
    "print": "prints a stranger's control characters as they are; use mimic.core.printing.show",
}
MAY_PRINT = ("mimic.core.printing", "mimic.rendering.egl_probe", "mimic.exporting.players", "bench")
UNSAFE_OPTIONS = {"allow_pickle": True, "weights_only": False, "shell": True}
YAML_LOADERS = ("Loader", "UnsafeLoader", "FullLoader", "CLoader", "CFullLoader")


def violations(source: ast.AST) -> Iterator[tuple[int, str]]:
    """(line, complaint) of everything forbidden in a parsed source."""
    for node in ast.walk(source):
        if isinstance(node, ast.Call):
            yield from ((node.lineno, complaint) for complaint in _call(node))
        elif isinstance(node, ast.ExceptHandler) and node.type is None:
            yield node.lineno, "bare except: it swallows KeyboardInterrupt too"
        elif isinstance(node, ast.Assert):
            yield node.lineno, "assert: python -O removes it; raise an error"
        elif isinstance(node, ast.Attribute) and node.attr in YAML_LOADERS and _dotted(node.value) == "yaml":
            yield node.lineno, f"yaml.{node.attr} builds objects"


def _call(node: ast.Call) -> Iterator[str]:
    name = _dotted(node.func)
    if name in UNSAFE_CALLS:
        yield f"{name}(): {UNSAFE_CALLS[name]}"
    for option in node.keywords:
        if option.arg in UNSAFE_OPTIONS and not _is_safe(option.arg, option.value):
            yield f"{option.arg}={ast.unparse(option.value)}"


def _is_safe(option: str, value: ast.expr) -> bool:
    """An option is safe only if it is written out as the safe constant."""
    return isinstance(value, ast.Constant) and value.value is (not UNSAFE_OPTIONS[option])


def _dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Name):
        return node.id
    return f"{_dotted(node.value)}.{node.attr}" if isinstance(node, ast.Attribute) else "?"


@pytest.mark.parametrize("module", modules())
def test_the_source_has_no_forbidden_call(module):
    file = modules()[module].relative_to(ROOT)
    may_print = module.startswith(MAY_PRINT)  # the last three are programs of their own
    found = [
        f"{file}:{line}: {complaint}"
        for line, complaint in violations(tree(module))
        if not (may_print and complaint.startswith("print()"))
    ]
    found += [
        f"{file}:{used.line}: imports {used.name}"
        for used in imports(module)
        if used.name.split(".")[0] in UNSAFE_MODULES or used.name in UNSAFE_CALLS
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "text",
    [
        "eval('1')",
        "exec('1')",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "np.load(path, allow_pickle=True)",
        "np.load(path, allow_pickle=flag)",
        "yaml.load(text, Loader=yaml.SafeLoader)",
        "yaml.unsafe_load(text)",
        "class Loader(yaml.FullLoader): pass",
        "subprocess.run('ls', shell=True)",
        "subprocess.run('ls', shell=1)",
        "os.system('ls')",
        "print(name)",
        "try:\n    pass\nexcept:\n    pass",
        "def f(x):\n    assert x > 0",
    ],
)
def test_every_kind_of_forbidden_call_is_found(text):
    assert list(violations(ast.parse(text)))


def test_safe_forms_of_forbidden_calls_pass():
    text = (
        "np.load(path, allow_pickle=False)\nsubprocess.run(['ls'], shell=False)\nmodel.eval()\nyaml.safe_load(text)\n"
        "re.compile(x)\nclass L(yaml.SafeLoader): pass\ntry:\n    pass\nexcept OSError:\n    pass"
    )
    assert not list(violations(ast.parse(text)))
