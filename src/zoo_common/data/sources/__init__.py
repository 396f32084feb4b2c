"""Readers of files: from what lies on a disk to records, each with its place; they know no task.

A reader that is shipped is imported here, and registers itself.
"""

from __future__ import annotations

from zoo_common.data.sources import (
    array_record,
    audio_manifest,
    audio_table,
    bertsum_shards,
    cldr_names,
    cnn_dailymail,
    conll,
    csv_records,
    embedded_text,
    generated_speech,
    glue,
    hdf5,
    idx_images,
    image_folder,
    librispeech,
    marked_words,
    parallel_text,
    parquet_records,
    plain_text,
    pubtator,
    running_text_table,
    squad,
    summary_table,
    text_pair_table,
    text_table,
    tfrecord,
)

__all__ = [
    "array_record",
    "audio_manifest",
    "audio_table",
    "bertsum_shards",
    "cldr_names",
    "cnn_dailymail",
    "conll",
    "csv_records",
    "embedded_text",
    "generated_speech",
    "glue",
    "hdf5",
    "idx_images",
    "image_folder",
    "librispeech",
    "marked_words",
    "parallel_text",
    "parquet_records",
    "plain_text",
    "pubtator",
    "running_text_table",
    "squad",
    "summary_table",
    "text_pair_table",
    "text_table",
    "tfrecord",
]
