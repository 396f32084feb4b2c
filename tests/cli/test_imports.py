"""Who loads which framework: the spec layer none, a command only the one that it was asked for."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import launch


def modules_after(code: str, loaded: str | None = None) -> set[str]:
    """The top-level modules that a fresh interpreter, or one with what is ``loaded``, has after running ``code``."""
    shown = (
        f"{code}\nimport sys\nprint('modules', *sorted({{name.partition('.')[0] for name in sys.modules}}))"
    )
    if loaded is None:
        found = subprocess.run([sys.executable, "-c", shown], capture_output=True, text=True)
    else:
        found = launch.python("-c", shown, loaded=loaded)
    assert found.returncode == 0, found.stderr
    return set(found.stdout.splitlines()[-1].split()[1:])


def test_importing_the_spec_layer_and_loading_a_spec_loads_no_framework():
    loaded = modules_after("from zoo_spec import load_spec\nload_spec('bert_base').graph().cost(batch=8)")
    assert "zoo_spec" in loaded
    assert not loaded & {"torch", "tensorflow", "keras", "jax", "zoo_common", "zoo_torch", "zoo_tf"}


def test_a_package_imports_the_modules_of_its_names_when_they_are_asked_for():
    assert not modules_after("import zoo_spec, zoo_torch") & {"torch", "pydantic", "numpy", "zoo_common"}
    assert not modules_after("import zoo_tf") & {"tokenizers", "filelock"}
    shards = "import sys\nassert 'torch.distributed.fsdp' not in sys.modules, 'what only divided models need'"
    assert "zoo_common" in modules_after(f"from zoo_torch import Runner\n{shards}")


@pytest.mark.parametrize("kind", ["adamw", "sgd"])
def test_training_where_nothing_is_compiled_loads_no_compiler(kind, tmp_path):
    settings = ["--set", "training.steps=1", "--set", f"training.optimizer={{kind: {kind}}}"]
    command = ["train", "--framework", "torch", "--spec", "mnist_fc", "--run-dir", str(tmp_path / "run")]
    modules_after(
        f"import sys\nfrom zoo_common.cli.main import main\ntry:\n    main({[*command, *settings]})\n"
        "except SystemExit as end:\n    assert not end.code\n"
        "assert 'torch' in sys.modules and 'torch._dynamo' not in sys.modules"
    )


@pytest.mark.parametrize("package", ["zoo_spec", "zoo_torch", "zoo_tf"])
def test_every_public_name_of_a_package_is_found_and_no_other(package):
    names = importlib.import_module(package)
    for name in names.__all__:
        assert getattr(names, name) is not None
    shown = {name for name in dir(names) if not name.startswith("__")}
    assert shown - {name for _, name, _ in pkgutil.iter_modules(names.__path__)} == set(names.__all__)
    with pytest.raises(AttributeError, match=f"module '{package}' has no attribute 'compiel'"):
        names.compiel  # noqa: B018 (asking is the test)


@pytest.mark.parametrize("room", ["zoo_spec", "zoo_common", "zoo_torch", "zoo_tf"])
def test_no_module_offers_what_its_loops_left_over(room):
    for path in Path(importlib.import_module(room).__path__[0]).rglob("*.py"):
        loops = [each for each in ast.parse(path.read_text()).body if isinstance(each, ast.For)]
        left = [each.id for loop in loops for each in ast.walk(loop.target) if isinstance(each, ast.Name)]
        assert all(name.startswith("_") for name in left), (path, left)


@pytest.mark.parametrize(
    ("framework", "other"), [("torch", {"tensorflow", "keras", "zoo_tf"}), ("tf", {"torch", "zoo_torch"})]
)
def test_training_in_one_framework_does_not_load_the_other(framework, other, tmp_path):
    arguments = ["train", "--framework", framework, "--spec", "mnist_fc", "--set", "training.steps=1"]
    arguments += ["--run-dir", str(tmp_path / "run"), "--device", "cpu"]
    loaded = modules_after(
        "from zoo_common.cli.main import main\n"
        f"try:\n    main({arguments!r})\nexcept SystemExit as end:\n    assert not end.code, end.code",
        loaded=framework,
    )
    assert f"zoo_{framework}" in loaded
    assert not loaded & other


@pytest.mark.parametrize(
    "override", ["task.kind=image_classification", "data.sequence_length=5000", "model.num_heads=7"]
)
def test_a_spec_that_does_not_fit_is_refused_before_a_framework_is_loaded(override):
    loaded = modules_after(
        "from zoo_common.cli.main import main\n"
        f"try:\n    main(['validate', '--spec', 'bert_tiny', '--set', {override!r}])\n"
        "except SystemExit as end:\n    assert end.code == 2, end.code"
    )
    assert "zoo_common" in loaded
    assert not loaded & {"torch", "tensorflow", "keras", "tokenizers", "zoo_torch", "zoo_tf"}
