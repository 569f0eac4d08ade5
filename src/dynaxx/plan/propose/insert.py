"""One more bridge for a cascade that is there: where it goes, why, and the cascade with it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

from dynaxx.errors import SpecError
from dynaxx.plan.propose.choose import Reason
from dynaxx.spec.cascade import CascadeSpec
from dynaxx.spec.files import parse
from dynaxx.spec.graph import Node, nodes
from dynaxx.spec.plain import plain
from dynaxx.spec.stage import DiffusionStage

LEAST_JUMP = 4
"""A factor below this is one stage's work: half of it would leave nothing to decide."""
NOISE = {"train_std": [0.0, 0.6], "std": 0.1}
CDM = "CDM, arXiv 2106.15282"


@final
@dataclass(frozen=True)
class Jump:
    """An edge from one stage to the next, and by how much it scales each axis."""

    parent: Node
    child: Node
    factors: tuple[float, ...]

    @property
    def total(self) -> float:
        """How many sites there are for one."""
        return math.prod(self.factors)

    @property
    def most(self) -> float:
        """The factor of the axis that jumps farthest."""
        return max(self.factors)

    def __str__(self) -> str:
        return f"{self.parent.stage.name} -> {self.child.stage.name} x{self.most:g}"

    def split(self) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
        """Factors of the new bridge and of the stage after it; None where no axis jumps far enough, or not evenly.

        Each axis that jumps by 4 or more is split near its root, the larger part first; others are left to the stage
        that has them.
        """
        first, second = [], []
        for factor in self.factors:
            whole = round(factor)
            parts = _parts(whole) if factor == whole and whole >= LEAST_JUMP else None
            first.append(parts[0] if parts else 1)
            second.append(parts[1] if parts else whole)
            if factor != whole:
                return None
        return (tuple(first), tuple(second)) if max(first) > 1 else None


def _parts(factor: int) -> tuple[int, int] | None:
    """The two whole factors nearest to the root, the larger first; None for primes."""
    small = next((n for n in range(math.isqrt(factor), 1, -1) if factor % n == 0), None)
    return None if small is None else (factor // small, small)


@final
@dataclass(frozen=True)
class Insertion:
    """The cascade with one more bridge, its name, between which stages it stands, and why."""

    spec: CascadeSpec
    name: str
    after: str
    before: str
    reasons: tuple[Reason, ...]


def insert(spec: CascadeSpec, *, size: tuple[int, ...] | None = None) -> Insertion:
    """One more bridge where a single stage jumps farthest.

    Raises:
        SpecError: where no edge between two stages jumps by 4 or more on any axis, in two whole factors.
    """
    jumps = sorted(_jumps(nodes(spec, size=size)), key=lambda jump: (jump.most, jump.child.grid.sites))
    ready = [(jump, split) for jump in jumps if (split := jump.split()) is not None]
    if not ready:
        raise SpecError("--insert", *_refusal(jumps))
    jump, split = ready[-1]
    name = _name(spec)
    return Insertion(
        _inserted(spec, jump, *split, name), name, jump.parent.stage.name, jump.child.stage.name,
        tuple(_reasons(jump, jumps, *split, name)),
    )  # fmt: skip


def _refusal(jumps: Sequence[Jump]) -> tuple[str, str]:
    """Why no jump is split, and what to do."""
    far = [str(jump) for jump in jumps if jump.most >= LEAST_JUMP]
    if far:
        problem = f"no far jump splits into whole factors ({', '.join(far)})."
        return problem, "Change a stage's out.scale to a product, such as 4, 6 or 8."
    most = f"x{jumps[-1].most:g}" if jumps else "none"
    problem = f"no stage jumps far enough for one more between (the farthest: {most})."
    return problem, f"A jump of x{LEAST_JUMP} or more can be split; below, add steps instead."


def _jumps(graph: Sequence[Node]) -> list[Jump]:
    """Edges by which a trained stage answers on a finer grid than the one stage that it reads."""
    by_name, found = {node.name: node for node in graph}, list[Jump]()
    for node in graph:
        low = node.inputs.get("low")
        if low is None or not isinstance(node.stage, DiffusionStage) or node.stage.repeat is not None:
            continue
        if (
            len(low.parents) != 1
            or low.parents[0] not in by_name
            or low.edge.hand == "noisy"
            or low.edge.via == "start"
        ):
            continue
        parent = by_name[low.parents[0]]
        same = parent.grid.channels == node.grid.channels and parent.grid.space == node.grid.space
        if same and parent.stage.repeat is None:
            sizes = zip(node.grid.size, parent.grid.size, strict=True)
            found.append(Jump(parent, node, tuple(ours / theirs for ours, theirs in sizes)))
    return found


def _inserted(spec: CascadeSpec, jump: Jump, first: tuple[int, ...], second: tuple[int, ...], name: str) -> CascadeSpec:
    data: dict[str, Any] = plain(spec)
    place = next(i for i, stage in enumerate(data["stages"]) if stage["name"] == jump.child.stage.name)
    child = data["stages"][place]
    axes = jump.child.grid.axes
    low = {"noise": NOISE, **child["inputs"]["low"], "from": jump.parent.stage.name}
    bridge = {
        "name": name, "role": "bridge", "inputs": {"low": low}, "network": child.get("network", {"kind": "unet"}),
        "solver": child.get("solver", {}), "out": {**_kept(child), "scale": _scale(axes, first)},
    }  # fmt: skip
    bridge |= {key: child[key] for key in ("process", "prediction") if key in child}
    if "train" in child:
        bridge["train"] = {**child["train"]}
        bridge["train"].pop("crop", None)
    child["inputs"]["low"]["from"] = name
    if "scale" in child["out"]:
        child["out"] = {**child["out"], "scale": _scale(axes, second)}
    child.pop("weights", None)  # trained on another input
    data["stages"] = [*data["stages"][:place], bridge, *data["stages"][place:]]
    return parse(data)


def _kept(child: dict[str, Any]) -> dict[str, Any]:
    """Channels and space are the child's."""
    return {key: value for key, value in child["out"].items() if key in ("channels", "space")}


def _scale(axes: str, factors: tuple[int, ...]) -> dict[str, int]:
    """A factor per group of axes that share one."""
    groups: dict[int, str] = {}
    for axis, factor in zip(axes, factors, strict=True):
        groups[factor] = groups.get(factor, "") + axis
    return {group: factor for factor, group in groups.items()}


def _name(spec: CascadeSpec) -> str:
    taken = {stage.name for stage in spec.stages}
    names = ("bridge", *(f"bridge-{i}" for i in range(2, len(taken) + 3)))
    return next(name for name in names if name not in taken)


def _reasons(
    jump: Jump, jumps: Sequence[Jump], first: tuple[int, ...], second: tuple[int, ...], name: str
) -> list[Reason]:
    parent, child = jump.parent.stage.name, jump.child.stage.name
    ready = [str(one) for one in jumps if one != jump and one.split() is not None]
    whole = [str(one) for one in jumps if one.split() is None and one.most >= jump.most]
    beside = f"; the others are smaller or as large on fewer sites: {', '.join(ready)}" if ready else ""
    beside += f"; no whole factors split {', '.join(whole)}" if whole else ""
    which = "the farthest jump that can be split" if whole else "the farthest jump"
    farthest = f"{child} draws {jump.total:g} sites for each that it reads, {which}{beside}"
    axis = max((i for i, factor in enumerate(first) if factor > 1), key=lambda i: jump.factors[i])
    parts = f"x{jump.factors[axis]:g} becomes x{first[axis]}, then x{second[axis]}"
    like = "a like task on a coarser grid"
    return [
        Reason(f"{name} between {parent} and {child}", farthest, "this plan"),
        Reason(parts, "cascades work with factors of 2 to 4: errors of a far jump are seen by nobody", CDM),
        Reason(f"{name}'s network, process, steps and training are {child}'s", like, "this plan"),
        _noise(jump),
        Reason(f"{child} has to be trained again", "it reads another stage's output on a finer grid", "this plan"),
    ]  # fmt: skip


def _noise(jump: Jump) -> Reason:
    """The low input is treated as the child's is; where that bears no noise, it is given some."""
    child, edge = jump.child.stage.name, jump.child.inputs["low"].edge
    why = "it keeps errors from adding up"
    if edge.noise is not None:
        return Reason(f"its low input is resized, noised and blurred as {child}'s", f"a like task; noise: {why}", CDM)
    told = f"noise of {NOISE['std']} on its low input, told to it; it is resized as {child}'s"
    return Reason(told, f"{child} puts none on, but {why}", CDM)
