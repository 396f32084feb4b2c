"""What training and computing hold in memory, what this machine has, and a refusal with the arithmetic."""

from zoo_common.memory.check import (
    in_batches,
    largest_batch,
    largest_micro_batch,
    require_disk,
    require_memory,
    too_small,
)
from zoo_common.memory.expecting import Outlook, outlook
from zoo_common.memory.inference import examples_at_once, inference_bytes
from zoo_common.memory.machine import available_bytes
from zoo_common.memory.seconds import StepTime, step_time
from zoo_common.memory.sizes import step_rows, step_sizes, uncut
from zoo_common.memory.streaming import (
    Phase,
    Streamed,
    inference_unit_values,
    streamed,
    unit_values,
)
from zoo_common.memory.training import training_bytes

__all__ = [
    "Outlook",
    "Phase",
    "StepTime",
    "Streamed",
    "available_bytes",
    "examples_at_once",
    "in_batches",
    "inference_bytes",
    "inference_unit_values",
    "largest_batch",
    "largest_micro_batch",
    "outlook",
    "require_disk",
    "require_memory",
    "step_rows",
    "step_sizes",
    "step_time",
    "streamed",
    "too_small",
    "training_bytes",
    "uncut",
    "unit_values",
]
