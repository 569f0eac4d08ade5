"""Builds the wrapped pipelines of a cascade: they share encoded prompts, and pass on what their schedulers remember."""

from __future__ import annotations

from pathlib import Path
from typing import final

from dynaxx.spec.graph import Node
from dynaxx.spec.stage import PipelineStage
from dynaxx.stage.pipeline.text import Texts
from dynaxx.stage.pipeline.wrapped import Wrapped


@final
class Pipelines:
    """The pipelines of one cascade, built in the order they run."""

    def __init__(self, root: Path | None, *, allow_download: bool, keeps: bool) -> None:
        self._root, self._allow_download, self._keeps, self._texts = root, allow_download, keeps, Texts()
        self._built: dict[str, Wrapped] = {}

    def of(self, node: Node) -> Wrapped:
        """The stage of a node."""
        assert isinstance(node.stage, PipelineStage)
        low = node.stage.inputs.get("low")
        above = self._built.get(low.parents[0]) if low is not None and low.hand == "noisy" else None
        self._built[node.stage.name] = Wrapped(
            node.stage, root=self._root, texts=self._texts, above=above.below if above else None,
            hands=node.stop_std is not None, allow_download=self._allow_download, keeps=self._keeps,
        )  # fmt: skip
        return self._built[node.stage.name]
