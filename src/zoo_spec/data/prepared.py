"""Examples that somebody has made already, tokens and all, in files of several forms."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from zoo_spec.data.base import FilePaths, as_tuple
from zoo_spec.data.limits import RecordLimits
from zoo_spec.data.source import SourceData

Name = Annotated[str, Field(min_length=1)]


class PreparedData(SourceData):
    """Base of the specs of data whose examples were made elsewhere: they are fed as they are.

    An input of the model is read from the feature of its own name, or from what google-research/bert and the zoos
    that follow it call it (``segment_ids``, ``input_mask``, ``masked_lm_positions``, ``label_ids``, …).
    """

    files: FilePaths
    """The files to train on."""
    evaluation_files: FilePaths | None = None
    """Files to evaluate on; then nothing of ``files`` is held out."""
    names: dict[Name, Name] = Field(default_factory=dict)
    """From an input of the model to the feature that it is read from, where the usual names do not say it."""
    limits: RecordLimits = RecordLimits()
    """The most that is read of a file; they change nothing that is learned, and may change while a run rests."""

    @property
    def has_evaluation(self) -> bool:
        """Where ``evaluation_files`` are named."""
        return self.evaluation_files is not None

    def files_of(self, split: Literal["train", "eval"]) -> FilePaths:
        """Those that a part of the data is read from."""
        return self.evaluation_files if split == "eval" and self.evaluation_files is not None else self.files

    @model_validator(mode="after")
    def _once(self) -> Self:
        read = list(self.names.values())
        twice = next((name for name in read if read.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"names reads the feature {twice!r} into two inputs; name each once")
        return self


class TfRecordData(PreparedData):
    """TFRecord files of ``tf.train.Example`` or of ``SequenceExample``, packed as a whole by gzip or zlib or not."""

    kind: Literal["tfrecord"] = "tfrecord"


class ArrayRecordData(PreparedData):
    """ArrayRecord files of ``tf.train.Example``, TensorFlow Datasets' own; read with the extra ``records``."""

    kind: Literal["array_record"] = "array_record"


class CsvRecordData(PreparedData):
    """CSV files whose cells are lists of numbers, ``"[101, 7, 102]"``; a header names the features.

    A file called ``meta.dat`` stands for those that its lines name, each with its number of rows.
    """

    kind: Literal["csv_records"] = "csv_records"


class ParquetRecordData(PreparedData):
    """Parquet files whose columns are numbers or lists of numbers; the extra ``tables`` reads them."""

    kind: Literal["parquet_records"] = "parquet_records"


class Hdf5Data(PreparedData):
    """HDF5 files of token ids: an array ``data [examples, rows, sequence]``, or one ``example_0``, … each."""

    kind: Literal["hdf5"] = "hdf5"
    rows: Annotated[tuple[Name, ...], BeforeValidator(as_tuple), Field(min_length=1)] = (
        "input_ids",
        "attention_mask",
        "labels",
    )
    """What the rows of an example are."""
