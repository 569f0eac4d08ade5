"""What a frozen upstream stage makes of the data, so that the next stage learns from what it will receive."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dynaxx.engine.edges import carry
from dynaxx.noise.denoiser import Input
from dynaxx.signal.random import Draws
from dynaxx.spec.edge import EdgeNoise, EdgeSpec
from dynaxx.spec.graph import Node
from dynaxx.stage.stage import Request, Stage
from dynaxx.store.atomic import write_bytes
from dynaxx.train.material import Material
from dynaxx.train.signals import encoded

BATCH = 64
RENEWED_FROM_STD = 1.0
"""A stage without inputs takes the truth up at this level: its layout stays, its detail is the stage's own."""


def generated(
    node: Node, stage: Stage, sizes: Mapping[str, tuple[int, ...]], material: Material, device: torch.device, file: Path
) -> NDArray[Any]:
    """The stage's answer to each sample of the data, `(N, C, *size)` as the data is kept; read from `file` if there.

    It sees the truth of its own inputs, so that its answer belongs to the same sample; a stage without inputs renews
    the truth from half its noise (SDEdit, arXiv 2108.01073).
    """
    if not file.exists():
        stage.to(device)
        truths = material.signals.arrays
        parts = [
            _answer(node, stage, sizes, material, range(i, min(i + BATCH, len(material.signals))), device)
            for i in range(0, len(material.signals), BATCH)
        ]
        made = encoded(torch.cat(parts).clamp(-1, 1), truths[node.grid.size].dtype)
        buffer = io.BytesIO()
        np.save(buffer, made, allow_pickle=False)
        file.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(file, buffer.getvalue())
    return np.load(file, mmap_mode="r", allow_pickle=False)


def _answer(
    node: Node,
    stage: Stage,
    sizes: Mapping[str, tuple[int, ...]],
    material: Material,
    rows: range,
    device: torch.device,
) -> Tensor:
    draws = Draws(0, f"generated/{node.name}", tuple(rows))
    condition = material.condition.take([material.asked[row] for row in rows]).to(device)
    spec, inputs = node.stage, dict[str, Input]()
    for name, given in node.inputs.items():
        parents = [material.signals.at(sizes[parent], rows).to(device) for parent in given.parents]
        inputs[name] = carry(given.edge, parents, node.grid.size, draws.scoped(f"{draws.scope}.{name}"))
    if not inputs:
        std = RENEWED_FROM_STD
        edge = EdgeSpec(from_=node.name, via="start", noise=EdgeNoise(std=std))
        truth = material.signals.at(node.grid.size, rows).to(device)
        spec, inputs = spec.model_copy(update={"inputs": {"low": edge}}), {"low": _noisy(truth, std, draws)}
    return stage.run(Request(spec, node.grid, inputs, condition, draws, device)).cpu()


def _noisy(truth: Tensor, std: float, draws: Draws) -> Input:
    eps = draws.normal("start", tuple(truth.shape[1:]), device=truth.device)
    return Input(x=truth + std * eps, source=truth, std=std)
