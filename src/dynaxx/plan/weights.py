"""How large the engine will find each stage's weights, by which it decides where they lie."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from dynaxx.spec.graph import Node, first_nodes
from dynaxx.spec.stage import CustomStage, PipelineStage
from dynaxx.stage.pipeline.build import Pipelines


def weights_of(graph: Sequence[Node], planned: Mapping[str, int | None], root: Path | None) -> dict[str, int | None]:
    """Bytes by stage: a pipeline's as its files' headers state them, else as they are `planned`; None is not known.

    A stage of the user's own class counts nothing unless it says so when it runs.
    """
    found = dict(planned)
    pipelines = Pipelines(root, allow_download=False, keeps=True)
    for name, node in first_nodes(graph).items():
        if isinstance(node.stage, PipelineStage):
            stated = pipelines.of(node).weights_bytes
            found[name] = planned[name] if stated is None else stated
        elif isinstance(node.stage, CustomStage):
            found[name] = planned[name] or 0
    return found
