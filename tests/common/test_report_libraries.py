"""What ``zoo describe`` says of libraries is what the code imports."""

import ast
import sys
from pathlib import Path

from zoo_common.report.libraries import PREPROCESSING, TRAINING

SOURCE = Path(__file__).parents[2] / "src"
INSTALLED_AS = {
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
    "pydantic_core": "pydantic",
    "annotated_types": "pydantic",
}
OURS = {"zoo_spec", "zoo_common", "pydoc_data"}


def imported(*places):
    files = [file for place in places for file in ([place] if place.suffix else place.rglob("*.py"))]
    found = set()
    for file in files:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            found |= {name.partition(".")[0] for name in names}
    return {INSTALLED_AS.get(name, name) for name in found - OURS - sys.stdlib_module_names}


def test_training_names_all_that_it_imports():
    common = SOURCE / "zoo_common"
    rooms = [SOURCE / "zoo_spec", common / "training", common / "checkpoint", common / "memory.py"]
    rooms += [common / "files.py", common / "backend.py", common / "report" / "progress.py", common / "cli"]
    assert imported(*(room for room in rooms if room.exists())) - {"matplotlib"} <= set(TRAINING)


def test_preprocessing_names_all_that_it_imports():
    assert imported(SOURCE / "zoo_common" / "data") == set(PREPROCESSING)
