"""How TensorFlow on a CPU hands out memory for tensors where weights are streamed: what is free can go back.

By itself TensorFlow with oneDNN keeps all memory that it ever had, in pieces that its own allocator cuts up.
"""

from __future__ import annotations

import os

from zoo_common.allocation import keep_one_heap

_ASKED = "TF_ONEDNN_USE_SYSTEM_ALLOCATOR"


def use_the_systems_heap() -> None:
    """Have tensors come from the C library.

    TensorFlow asks once, when it makes its first tensor: in a process that has computed with it before, it keeps all
    memory. What the user says in the environment holds.
    """
    os.environ.setdefault(_ASKED, "1")
    keep_one_heap()
