"""From a stage as data to a stage that runs; each kind is imported only where a cascade has it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn

from dynaxx.errors import RunError
from dynaxx.spec.cascade import CascadeSpec
from dynaxx.spec.condition import ConditionSpec
from dynaxx.spec.graph import Node, first_nodes
from dynaxx.spec.grid import Grid
from dynaxx.spec.stage import (
    CustomStage,
    DiffusionStage,
    EmpiricalStage,
    GaussianStage,
    PipelineStage,
    RegressionStage,
    StageSpec,
)
from dynaxx.stage.library import Libraries
from dynaxx.stage.mapped import Mapped
from dynaxx.stage.pipeline.build import Pipelines
from dynaxx.stage.pretrained import described, place_of
from dynaxx.stage.stage import Stage

if TYPE_CHECKING:
    from dynaxx.stage.diffusion import Diffusion
    from dynaxx.stage.regression import Regression


def build_stages(
    spec: CascadeSpec,
    graph: Sequence[Node],
    *,
    root: Path | None = None,
    fresh: bool = False,
    only: Collection[str] | None = None,
    allow_download: bool = False,
    mapped: bool = False,
) -> dict[str, Stage]:
    """The live stages behind a graph, by name; all, or `only` some.

    Weights come from a stage's `weights`, or from `stages/<name>` beside the cascade file; `fresh` starts trained
    kinds from random weights instead, as training does. Stages that read the same data share it; pipelines share
    the prompts that they encode alike, and open nothing before they are fetched. `mapped` keeps our own networks
    without memory but for when they are fetched, too; what a GPU lets go of stays in memory beside it.

    Raises:
        RunError: if a kind cannot be run.
        SpecError: if a stage does not fit its data or network.
        DataError: if data or weights are missing or damaged.
    """
    libraries = Libraries(graph, root)
    wanted = {name: node for name, node in first_nodes(graph).items() if only is None or name in only}
    found: dict[str, Stage] = {}
    pipelines = Pipelines(root, allow_download=allow_download, keeps=mapped)
    for name, node in wanted.items():
        if isinstance(node.stage, PipelineStage):
            found[name] = pipelines.of(node)
        elif mapped and not fresh and isinstance(node.stage, DiffusionStage | RegressionStage):
            found[name] = Mapped(build_bare(node, spec.condition, node.grid, root), _lies(node.stage, root))
        else:
            found[name] = _build(spec, node, libraries, root, fresh)
    return found


def build_bare(node: Node, asks: ConditionSpec, grid: Grid, root: Path | None = None) -> Diffusion | Regression:
    """A stage with a network that has shapes and no memory (on the meta device), to answer on `grid`.

    Raises:
        RunError: if the kind has no network of ours.
    """
    stage = node.stage
    if not isinstance(stage, DiffusionStage | RegressionStage):
        fix = "Run it: the trace says what it took."
        raise RunError(f"stage {stage.name!r}", f"nothing is known of what stages of kind {stage.kind!r} do.", fix)
    with torch.device("meta"):
        network = _network(asks, stage, node, grid, root)
    return _around(stage, network, grid)


def _build(spec: CascadeSpec, node: Node, libraries: Libraries, root: Path | None, fresh: bool) -> Stage:
    stage = node.stage
    match stage:
        case GaussianStage():
            from dynaxx.stage.gaussian import Gaussian

            return Gaussian(stage)
        case EmpiricalStage():
            from dynaxx.stage.empirical import Empirical

            return Empirical(stage, libraries.of(node))
        case DiffusionStage() | RegressionStage():
            return _trained(spec, stage, node, root, fresh)
        case CustomStage():
            from dynaxx.stage.custom import make_custom

            return make_custom(stage, node.grid, None if fresh else weights_folder(stage, root))
        case _:
            fix = "Describe and check it here; run it with the tool it came from."
            raise RunError(f"stage {stage.name!r}", f"stages of kind {stage.kind!r} cannot be run yet.", fix)


def _trained(
    spec: CascadeSpec, stage: DiffusionStage | RegressionStage, node: Node, root: Path | None, fresh: bool
) -> Stage:
    from dynaxx.stage.weights import load_weights

    network = _network(spec.condition, stage, node, node.grid, root)
    own = weights_folder(stage, root)
    pretrained = place_of(stage.network, root)
    if pretrained is not None and (fresh or not own.is_dir()):
        load_weights(network, pretrained)
    elif not fresh:
        load_weights(network, own)
    return _around(stage, network, node.grid)


def _network(
    asks: ConditionSpec, stage: DiffusionStage | RegressionStage, node: Node, grid: Grid, root: Path | None
) -> nn.Module:
    """The stage's network with fresh weights, for as many channels as its inputs bring."""
    from dynaxx.stage.backbone import make_network
    from dynaxx.stage.beside import Beside

    beside = Beside.of(stage)
    channels = beside.channels({name: node.channels_of(name) for name in node.inputs}, asks)
    channels += grid.channels if isinstance(stage, DiffusionStage) else 0
    network = described(stage.network, root)
    return make_network(network, grid=grid, in_channels=channels, told=len(beside.levels), condition=asks)


def _lies(stage: DiffusionStage | RegressionStage, root: Path | None) -> Path:
    """Where weights are now: the stage's own, or those it begins with."""
    own = weights_folder(stage, root)
    return own if own.is_dir() else place_of(stage.network, root) or own


def _around(stage: DiffusionStage | RegressionStage, network: nn.Module, grid: Grid) -> Diffusion | Regression:
    from dynaxx.stage.diffusion import Diffusion
    from dynaxx.stage.regression import Regression

    if isinstance(stage, DiffusionStage):
        return Diffusion(stage, network, grid)
    return Regression(stage, network, grid)


def weights_folder(stage: StageSpec, root: Path | None) -> Path:
    """Where a stage's weights lie: its `weights`, or `stages/<name>`, both beside the cascade file."""
    return (root or Path()) / (stage.weights or Path("stages", stage.name))
