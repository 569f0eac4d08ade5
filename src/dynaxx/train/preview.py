"""Pictures of how a training stands: a few samples of the data, what the stage sees, makes, and should make."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from dynaxx.engine.cascade import Cascade
from dynaxx.engine.run import OnStep
from dynaxx.engine.runtime import Runtime
from dynaxx.signal.resample import resample
from dynaxx.spec.cascade import CascadeSpec
from dynaxx.spec.graph import Node
from dynaxx.spec.grid import PIXELS, Grid
from dynaxx.stage.stage import Stage
from dynaxx.store.atomic import write_bytes
from dynaxx.train.material import Material

COLUMNS, GAP, CELL = 8, 2, 64


def stage_preview(
    spec: CascadeSpec,
    node: Node,
    stage: Stage,
    material: Material,
    grids: Mapping[str, Grid],
    device: str,
    *,
    on_step: OnStep | None = None,
) -> Tensor | None:
    """Rows: the truth of each input, the stage's sample, the truth; latents decoded, None for what is no picture."""
    if not _pictures(node):
        return None
    rows = _spread(len(material.signals))
    given = {parent: material.truth(grids[parent]).at(rows) for parent in node.parents}
    samples = sampled(
        spec, {node.stage.name: stage}, material, rows, device, given=given, until=node.name, on_step=on_step
    )
    seen = [_seen(x, grids[parent].space, material) for parent, x in given.items()]
    return grid([*seen, samples[node.name], truth_of(node, material, rows)])


def chain_preview(
    spec: CascadeSpec, graph: Sequence[Node], stages: Mapping[str, Stage], material: Material, device: str
) -> Tensor | None:
    """Rows: what each stage makes in the chain from noise, for captions or labels of the data, and the truth."""
    if not all(map(_pictures, graph)):
        return None
    rows = _spread(len(material.signals))
    samples = sampled(spec, stages, material, rows, device)
    return grid([*samples.values(), truth_of(graph[-1], material, rows)])


def write_picture(x: Tensor | None, path: Path) -> None:
    """Write `(C, H, W)` in [-1, 1] as a PNG; None writes nothing."""
    if x is None:
        return
    pixels = (x.float().cpu() + 1).mul(127.5).round().clamp(0, 255).byte().permute(1, 2, 0).numpy()
    buffer = io.BytesIO()
    Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels).save(buffer, format="PNG")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(path, buffer.getvalue())


def grid(rows: Sequence[Tensor]) -> Tensor:
    """Rows of `(B, C, *size)` as one picture `(C, H, W)`, enlarged to one size, white between."""
    largest = max((tuple(row.shape[2:]) for row in rows), key=lambda size: size[0])
    size = tuple(side * max(1, CELL // max(largest)) for side in largest)
    cells = torch.stack([resample(row.float().cpu(), size, "nearest") for row in rows])
    framed = torch.nn.functional.pad(cells, (0, GAP, 0, GAP), value=1.0)
    return torch.cat([torch.cat(list(row), dim=2) for row in framed], dim=1)[:, :-GAP, :-GAP]


def sampled(
    spec: CascadeSpec,
    stages: Mapping[str, Stage],
    material: Material,
    rows: Sequence[int],
    device: str,
    *,
    given: Mapping[str, Tensor] | None = None,
    until: str | None = None,
    on_step: OnStep | None = None,
) -> Mapping[str, Tensor]:
    """What each node makes for the captions and labels of some rows of the data."""
    facts = [material.signals.facts[row] for row in rows]
    labels = [fact.label for fact in facts if fact.label is not None] if spec.condition.label else None
    prompts = [fact.caption for fact in facts] if spec.condition.text else None
    cascade = Cascade(spec, stages, codecs=material.codecs, runtime=Runtime(device=device))
    num = 1 if prompts or labels else len(rows)
    samples = cascade.sample(
        prompts, labels=labels, num=num, given=given, until=until, keep=True, decode=True, on_step=on_step
    )
    return {**samples.stages, **samples.decoded}


def truth_of(node: Node, material: Material, rows: Sequence[int]) -> Tensor:
    """The data itself on a node's grid, for latents what they stand for."""
    return material.signals.at((node.decoded or node.grid).size, rows)


def _pictures(node: Node) -> bool:
    shown = node.decoded or node.grid
    return len(shown.size) == 2 and shown.channels in (1, 3)


def _seen(x: Tensor, space: str, material: Material) -> Tensor:
    return x if space == PIXELS else material.codecs.of(space).decode(x)


def _spread(count: int) -> list[int]:
    """A few samples from all over the data."""
    shown = min(COLUMNS, count)
    return [i * count // shown for i in range(shown)]
