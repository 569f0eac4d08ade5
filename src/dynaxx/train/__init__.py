"""Fit stages one after another: pairs, objectives, averages, checkpoints."""

from __future__ import annotations

from dynaxx.train.run import Trained, train
from dynaxx.train.session import Every
from dynaxx.train.step import TrainStep

__all__ = ["Every", "TrainStep", "Trained", "train"]
