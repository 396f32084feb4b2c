"""What is declared as needed, and so shown by ``zoo describe``, is what the code imports."""

import ast
import re
import sys
import tomllib
from pathlib import Path

from zoo_common.data import open_dataset
from zoo_common.report.libraries import libraries, needed_libraries
from zoo_spec import list_specs, load_spec

ROOT = Path(__file__).parents[2]
INSTALLED_AS = {
    "rouge_score": "rouge-score",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
    "PIL": "pillow",
    "array_record": "array-record",
    "google_crc32c": "google-crc32c",
    "kaldi_native_fbank": "kaldi-native-fbank",
    "pydantic_core": "pydantic",
    "annotated_types": "pydantic",
}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
READING = PROJECT["optional-dependencies"].keys() - {"torch", "tf", "onnx", "pytest", "benchmarks", "dev"}
"""The extras that neither a framework needs nor who works on Zoo: what reads data, counts and draws."""
OURS = {"zoo_spec", "zoo_common", "zoo_torch", "zoo_tf", "pydoc_data"}


def declared(*extras):
    named = [
        *PROJECT["dependencies"],
        *(each for extra in extras for each in PROJECT["optional-dependencies"][extra]),
    ]
    return {re.match(r"[\w.-]+", each)[0] for each in named} - {PROJECT["name"]}  # Extras that name another.


def imported(*rooms):
    found = set()
    for file in (file for room in rooms for file in (ROOT / "src" / room).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            found |= {name.partition(".")[0] for name in names}
    return {INSTALLED_AS.get(name, name) for name in found - OURS - sys.stdlib_module_names}


def test_what_is_declared_is_what_is_imported():
    assert imported("zoo_spec", "zoo_common") == declared(*READING, "pytest")
    assert imported("zoo_torch") <= declared("torch")
    assert imported("zoo_tf") <= declared("tf")


def test_what_only_some_commands_need_is_no_dependency_of_all():
    assert declared("plot") - declared() == {"matplotlib"}
    assert declared("digits") - declared() == {"scikit-learn"}


def test_needed_libraries_are_the_installed_packages_own():
    shown = {each.name.lower() for each in needed_libraries()}
    assert {"numpy", "pydantic", "tokenizers"} <= shown
    assert "torch" not in shown
    assert all(each.version for each in needed_libraries())
    assert libraries(("no-such-library",))[0].version is None


def test_readers_of_data_name_libraries_that_are_declared():
    kinds = {load_spec(name).data.kind: name for name in list_specs()}
    for name in kinds.values():
        assert set(open_dataset(load_spec(name), None, "train").description().libraries) <= declared(*READING)
