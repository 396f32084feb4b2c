"""What stands beside an exported model, whatever fed its run: the spec, the tokenizer, and what labels are called."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from zoo_common.data.label_names import FILE as LABELS
from zoo_common.data.label_names import as_json, read_label_names
from zoo_common.data.subwords.tokenizer_files import FILE as TOKENIZER
from zoo_common.data.subwords.tokenizer_files import run_tokenizer
from zoo_common.training.run_directory import RunDirectory
from zoo_spec.data import TokenizedData
from zoo_spec.data_fit import label_count
from zoo_spec.experiment import ExperimentSpec
from zoo_spec.graph import Graph


@dataclass(frozen=True)
class Served:
    """Files by name, and the labels' names in the order of their ids; None where nobody knows them."""

    files: dict[str, bytes]
    labels: tuple[str, ...] | None


def served(spec: ExperimentSpec, graph: Graph, directory: Path) -> Served:
    """Of a run; a tokenizer that it does not keep itself is that of ``data.vocabulary``, if the spec names one.

    Raises InputError for a tokenizer or names that are not what they were, or do not fit the model.
    """
    labels = read_label_names(directory, label_count(graph))
    files = {"spec.yaml": RunDirectory(directory).spec_file.read_bytes()}
    data = spec.data.asked
    has_vocabulary = isinstance(data, TokenizedData) and data.vocabulary is not None
    if has_vocabulary or (directory / TOKENIZER).is_file():
        found = run_tokenizer(data, directory, graph.table_rows().get("input_ids"))
        if found is not None:
            files[TOKENIZER] = found.tokenizer.to_str(pretty=True).encode("utf-8")
    if labels is not None:
        files[LABELS] = as_json(labels).encode("utf-8")
    return Served(files, labels)
