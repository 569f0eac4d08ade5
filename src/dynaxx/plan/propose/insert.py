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
    jumps = sorted(_jumps(nodes(spec, size=size)), key=lambda jump: (max(jump.factors), jump.child.grid.sites))
    ready = [jump for jump in jumps if jump.split() is not None]
    if not ready:
        most = f"x{max(jumps[-1].factors):g}" if jumps else "none"
        problem = f"no stage jumps far enough for one more between (the farthest: {most})."
        raise SpecError("--insert", problem, f"A jump of x{LEAST_JUMP} or more can be split; below, add steps instead.")
    jump = ready[-1]
    split = jump.split()
    assert split is not None
    name = _name(spec)
    return Insertion(
        _inserted(spec, jump, *split, name), name, jump.parent.stage.name, jump.child.stage.name,
        tuple(_reasons(jump, jumps, *split, name)),
    )  # fmt: skip


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
    low = {"from": jump.parent.stage.name, "noise": NOISE}
    bridge = {
        "name": name, "role": "bridge", "inputs": {"low": low}, "network": child.get("network", {"kind": "unet"}),
        "solver": child.get("solver", {}), "out": {**_kept(child), "scale": _scale(axes, first)},
    }  # fmt: skip
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
    others = [
        f"{one.parent.stage.name} -> {one.child.stage.name} x{max(one.factors):g}" for one in jumps if one != jump
    ]
    beside = f"; the others are smaller or as large on fewer sites: {', '.join(others)}" if others else ""
    farthest = f"{child} draws {jump.total:g} sites for each that it reads, the farthest jump{beside}"
    parts = f"x{max(jump.factors):g} becomes x{max(first)}, then x{max(second)}"
    return [
        Reason(f"{name} between {parent} and {child}", farthest, "this plan"),
        Reason(parts, "cascades work with factors of 2 to 4: errors of a far jump are seen by nobody", CDM),
        Reason(f"{name}'s network, steps and training are {child}'s", "a like task on a coarser grid", "this plan"),
        Reason("noise on its low input, told to it", "it keeps errors from adding up", CDM),
        Reason(f"{child} has to be trained again", "it reads another stage's output on a finer grid", "this plan"),
    ]  # fmt: skip
