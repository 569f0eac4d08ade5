"""What all tests share: one thread for torch, and no network."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("NO_COLOR", "1")

from soft_device import accelerator, soft_device, soft_device_known  # noqa: E402, F401
