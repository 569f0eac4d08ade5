"""What a wrapped pipeline takes, from its configuration files alone: its parts, and a call of it from end to end."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b
from importlib.metadata import version
from pathlib import Path
from typing import Any, final

import torch
from torch import nn

from dynaxx.errors import RunError
from dynaxx.plan.foreign_walk import foreign_walk
from dynaxx.plan.profile import Profile
from dynaxx.plan.workspace import block
from dynaxx.spec.facts import ENCODERS, NETWORKS, Facts, facts_of
from dynaxx.spec.graph import Node
from dynaxx.spec.stage import PipelineStage
from dynaxx.stage.pipeline.bare import bare_part, call_default, in_format
from dynaxx.store.cache import cache_folder, recall, remember

FORMAT = 7
"""Of what is kept; raised whenever what is found changes."""
COUNTED = (*NETWORKS, *ENCODERS, "vae")
"""Parts with weights; safety checkers and the like are not asked of."""
MEASURE = "Measure it: `dynaxx sample` writes its time and memory to the trace."
FAILS = (
    RunError,
    RuntimeError,
    NotImplementedError,
    TypeError,
    ValueError,
    AttributeError,
    LookupError,
    ArithmeticError,
)
"""What a call may end with that asks for values."""
_kept: dict[str, Wrapped] = {}


@final
@dataclass(frozen=True)
class Wrapped:
    """A pipeline's profile, the evaluations of its networks by copies of the batch, and the parameters of its parts.

    A part whose configuration is not in the folder has None. Weights and peaks are in the stage's number format; text
    encoders are let go of before the network works.
    """

    profile: Profile
    passes: Mapping[int, int]
    parts: Mapping[str, int | None]


def wrapped(node: Node, root: Path | None, *, streamed: bool = False) -> Wrapped:
    """What a node of a wrapped pipeline takes, its networks whole or block by block; kept by content.

    Raises:
        RunError: if its files are not on this machine, or it cannot be called without values.
        DataError: if a configuration file is damaged.
        SpecError: if a part refuses its configuration.
    """
    stage = node.stage
    assert isinstance(stage, PipelineStage)
    where, facts = f"stage {stage.name!r}", facts_of(stage, root)
    if facts is None:
        fix = "Name a folder with its configuration files; no weights are needed."
        raise RunError(where, f"nothing is known of {stage.load!r}: it is not on this machine.", fix)
    key = _key(node, stage, facts, streamed)
    if key not in _kept:
        place = cache_folder("wrapped", f"{key}.json")
        if (data := recall(place)) is not None:
            with suppress(KeyError, TypeError, ValueError):  # not what this version keeps
                passes = {copies: times for copies, times in data["passes"]}
                _kept[key] = Wrapped(Profile.from_json(data["profile"]), passes, data["parts"])
        if key not in _kept:
            found = _kept[key] = _rehearsed(node, root, facts, where, streamed)
            plain = {"profile": found.profile.to_json(), "passes": list(found.passes.items()), "parts": found.parts}
            remember(place, plain)
    return _kept[key]


def evaluations_of(node: Node, root: Path | None) -> int | None:
    """Its networks' evaluations for one sample, a guided one counted as two; None where nothing is known of it.

    Of a pipeline that cannot be rehearsed, one for every step.
    """
    stage = node.stage
    assert isinstance(stage, PipelineStage)
    facts = facts_of(stage, root)
    if facts is None:
        return None
    try:
        return sum(copies * times for copies, times in wrapped(node, root).passes.items())
    except RunError:
        return _copies(stage, facts) * _steps(stage, facts)


def limitable(stage: PipelineStage, root: Path | None) -> bool:
    """Whether the stage's pipeline is guided, and its guidance can be limited to some levels."""
    facts = facts_of(stage, root)
    if facts is None or facts.family is None or stage.cache is not None:
        return False
    return facts.family.guides and _guided(stage, facts)


def _key(node: Node, stage: PipelineStage, facts: Facts, streamed: bool) -> str:
    said = (
        FORMAT, torch.__version__, version("diffusers"), torch.get_num_threads(), block(), node.grid, node.stop_std,
        {name: given.grid for name, given in node.inputs.items()}, facts.pipeline, facts.index, facts.parts,
        stage.model_dump(mode="json", exclude={"name", "role", "load"}), streamed,
    )  # fmt: skip
    return blake2b(json.dumps(said, sort_keys=True, default=str).encode(), digest_size=12).hexdigest()


def _rehearsed(node: Node, root: Path | None, facts: Facts, where: str, streamed: bool) -> Wrapped:
    stage = node.stage
    assert isinstance(stage, PipelineStage)
    dtype = getattr(torch, stage.dtype)
    named = [name for name in COUNTED if isinstance(facts.index.get(name), list) and facts.index[name][0] is not None]
    made = {name: _made(facts, name, where) for name in named}
    there = {name: in_format(part, dtype) for name, part in made.items() if part is not None}
    counts = {name: _count(made[name]) for name in named}
    try:
        profile, passes = foreign_walk(node, root, facts, there, streamed=streamed)
    except FAILS as error:
        said = (str(error).strip().splitlines() or [type(error).__name__])[0].removeprefix(f"{where}: ").rstrip(".")
        known = ", ".join(f"{name} {count:,}" for name, count in counts.items() if count is not None)
        problem = f"its call cannot be rehearsed: {said} (parameters: {known or 'not known'})."
        raise RunError(where, problem, MEASURE) from error
    return Wrapped(profile, passes, counts)


def _made(facts: Facts, name: str, where: str) -> nn.Module | None:
    return bare_part(facts.index[name], facts.parts[name], f"{where}, {name}") if name in facts.parts else None


def _count(part: nn.Module | None) -> int | None:
    return None if part is None else sum(p.numel() for p in part.parameters())


def _said(stage: PipelineStage, facts: Facts, argument: str) -> Any:
    return stage.call[argument] if argument in stage.call else call_default(facts.pipeline, argument)


def _copies(stage: PipelineStage, facts: Facts) -> int:
    """Under guidance the network is given every sample twice."""
    return 2 if _guided(stage, facts) else 1


def _guided(stage: PipelineStage, facts: Facts) -> bool:
    scale = _said(stage, facts, "guidance_scale")
    return isinstance(scale, (int, float)) and scale > 1


def _steps(stage: PipelineStage, facts: Facts) -> int:
    """Steps as they are said, for pipelines whose walk cannot be rehearsed."""
    return int(_said(stage, facts, "num_inference_steps") or 1)
