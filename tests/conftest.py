"""Settings for every test: one thread a process, since pytest runs one process a core, and quiet frameworks.

They are read when a framework is imported, so they are set before any test module is.
"""

from __future__ import annotations

import os
import secrets

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

# Chosen before pytest's workers start, which inherit it; give it again to repeat a run.
os.environ.setdefault("ZOO_RANDOM_SEED", str(secrets.randbelow(2**31)))


def pytest_report_header():
    return f"random architecture: ZOO_RANDOM_SEED={os.environ['ZOO_RANDOM_SEED']}"
