"""What is held while a stage's weights come to a device of its own block by block."""

from __future__ import annotations

from pathlib import Path

from dynaxx.plan.profile import Profile
from dynaxx.plan.profiles import OPEN_KINDS, profile_of
from dynaxx.plan.wrapped import wrapped
from dynaxx.spec.condition import ConditionSpec
from dynaxx.spec.graph import Node
from dynaxx.spec.stage import PipelineStage
from dynaxx.stage.build import build_bare
from dynaxx.stage.streaming import streams


def streamed_profile(node: Node, asks: ConditionSpec, root: Path | None) -> Profile | None:
    """The node's profile, whose weights are those that stay; None where it comes whole.

    Raises:
        RunError: if it cannot be rehearsed so.
    """
    if isinstance(node.stage, PipelineStage):
        found = wrapped(node, root, streamed=True).profile
        return found if found.weights < wrapped(node, root).profile.weights else None
    if isinstance(node.stage, OPEN_KINDS) and streams(build_bare(node, asks, node.grid, root).network):
        return profile_of(node, asks, mode="stream")
    return None
