"""Answers kept from step to step: a denoising transformer's, where its first block changes little."""

from __future__ import annotations

from typing import Any

from dynaxx.errors import SpecError
from dynaxx.spec.facts import NETWORKS
from dynaxx.spec.stage import PipelineStage


def keep_answers(pipe: Any, spec: PipelineStage) -> None:
    """Have a pipeline's denoising networks keep answers as the stage's `cache` says.

    Raises:
        SpecError: if none of them can.
    """
    if spec.cache is None:
        return
    from diffusers import FirstBlockCacheConfig

    networks = [network for network in _networks(pipe) if hasattr(network, "enable_cache")]
    if not networks:
        what = f"keeps answers of a transformer's blocks, and {type(pipe).__name__} has none that can."
        raise SpecError(f"stage {spec.name!r}, cache", what, "Remove it.")
    for network in networks:
        if not network.is_cache_enabled:
            network.enable_cache(FirstBlockCacheConfig(threshold=spec.cache.threshold))


def forget_answers(pipe: Any) -> None:
    """Begin a walk with nothing kept: a walk that was left early has not cleared what it kept."""
    for network in _networks(pipe):
        if getattr(network, "is_cache_enabled", False):
            network._reset_stateful_cache()


def _networks(pipe: Any) -> list[Any]:
    parts = (getattr(pipe, name, None) for name in NETWORKS)
    return [part for part in parts if part is not None]
