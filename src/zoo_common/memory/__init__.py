"""What training and computing hold in memory, what this machine has, and a refusal with the arithmetic."""

from zoo_common.memory.check import largest_micro_batch, require_memory
from zoo_common.memory.inference import examples_at_once, inference_bytes
from zoo_common.memory.machine import available_bytes
from zoo_common.memory.resident import training_bytes
from zoo_common.memory.sizes import step_rows, step_sizes, uncut

__all__ = [
    "available_bytes",
    "examples_at_once",
    "inference_bytes",
    "largest_micro_batch",
    "require_memory",
    "step_rows",
    "step_sizes",
    "training_bytes",
    "uncut",
]
