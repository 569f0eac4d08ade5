"""Is a bridge better off that is told how noisy its input is?

The bridge of the bundled cascade is trained anew on its frozen base, for fewer steps, told the level or not, from
three seeds. The hand-over gap is the distance to real pictures that is due to the base's mistakes:
`d(bridge(base)) - d(bridge(real))`, an unbiased MMD^2 on built-in features, everything paired by sample and seed. It
is measured at several levels, and with each kind of bridge at its best one: where `d(bridge(base))` is least on half of
the samples, measured on the other half. `own_...` is `d(bridge(real))`: a gap is worth nothing where that is large.
"""

from __future__ import annotations

import argparse
import math
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import timing
import torch
from timing import Result
from torch import Tensor

from dynaxx import Cascade
from dynaxx.metrics.builtin import Builtin
from dynaxx.metrics.family import bonferroni
from dynaxx.metrics.features import Standard
from dynaxx.metrics.interval import CONFIDENCE, Estimate
from dynaxx.metrics.kernels import Gaussian
from dynaxx.metrics.mmd import mmd2
from dynaxx.metrics.pairwise import Pairwise
from dynaxx.spec.bundled import resolve
from dynaxx.spec.cascade import CascadeSpec
from dynaxx.spec.files import load
from dynaxx.spec.graph import nodes
from dynaxx.spec.override import override
from dynaxx.train import train
from dynaxx.train.material import Material, gather
from dynaxx.train.order import permutation

LEVELS = (0.1, 0.3, 0.6)
"""What bridges are run at, standard deviations within the range that they are trained on; the first is the recipe's."""
DRAWN_STEPS = 10
"""Steps of the bridge when it is drawn from."""


@dataclass(frozen=True)
class Setting:
    """Which cascade lends its base and recipe, how long bridges are trained, and on how much they are measured."""

    cascade: str
    steps: int
    samples: int
    seeds: tuple[int, ...]
    levels: tuple[float, ...]


def bridge_only(setting: Setting, *, told: bool, seed: int) -> CascadeSpec:
    """Base, with its weights, and bridge, to be trained."""
    place = resolve(setting.cascade)
    spec = load(place)
    base, bridge = spec.stages[:2]
    base = base.model_copy(update={"weights": str((place.parent / "stages" / base.name).resolve())})
    changes = {
        f"{bridge.name}.inputs.low.noise.told": told,
        f"{bridge.name}.inputs.low.blur.told": told,
        f"{bridge.name}.train.steps": setting.steps,
        f"{bridge.name}.train.seed": seed,
    }
    return override(spec.model_copy(update={"stages": (base, bridge)}), changes)


@dataclass(frozen=True)
class Real:
    """Real pictures that a bridge learned from, on both grids, with their captions, and how they are measured."""

    low: Tensor
    high: Tensor
    captions: tuple[str, ...]

    @classmethod
    def of(cls, material: Material, sizes: Sequence[tuple[int, ...]], count: int) -> Real:
        """As many as are asked for, at random but always the same."""
        known = sorted(material.groups("used"))
        rows = [known[i] for i in permutation(0, "/told-level", 0, len(known))[:count].tolist()]
        low, high = (material.signals.at(size, rows) for size in sizes)
        return cls(low, high, tuple(material.signals.facts[row].caption for row in rows))

    def distance(self, x: Tensor) -> Pairwise:
        """MMD^2 to the real pictures."""
        features = Builtin()(self.high)
        scale = Standard.of(features)
        return mmd2(scale(Builtin()(x)), scale(features), Gaussian.of(scale(features)))


@dataclass(frozen=True)
class Seen:
    """One bridge at one level: its distance to real pictures on true inputs, and what the base's mistakes add."""

    own: Pairwise
    gap: Pairwise

    @property
    def chain(self) -> Pairwise:
        """Its distance on what the base makes."""
        return self.own + self.gap


def half(of: Pairwise, *, second: bool) -> float:
    """The value on every other sample."""
    return Pairwise(of.h[int(second) :: 2, int(second) :: 2]).value


Found = dict[bool, list[dict[float, Seen]]]
"""Told or not, by seed, by level."""


def see(trained: Path, real: Real, made: Tensor, levels: Sequence[float]) -> dict[float, Seen]:
    """One trained bridge by the level that it is run at."""
    cascade = Cascade.from_pretrained(trained)
    base, bridge = (stage.name for stage in cascade.spec.stages)
    found = dict[float, Seen]()
    for level in levels:
        settings = {f"{bridge}.solver.steps": DRAWN_STEPS, f"{bridge}.inputs.low.noise.std": level}
        run = cascade.with_settings(settings)
        chain, own = (run.sample(list(real.captions), given={base: low}).x for low in (made, real.low))
        found[level] = Seen(real.distance(own), real.distance(chain) - real.distance(own))
    return found


def told_against_untold(setting: Setting, folder: Path) -> list[Result]:
    """The difference of the gaps, told less untold, over all seeds (Student): by level, and each at its best."""
    found: Found = {True: [], False: []}
    drawn: tuple[Real, Tensor] | None = None
    for seed in setting.seeds:
        for told in found:
            spec = bridge_only(setting, told=told, seed=seed)
            out = folder / f"{'told' if told else 'untold'}-{seed}"
            trained = train(spec, out=out, stages=[spec.stages[1].name], device="cpu").folder
            drawn = drawn or draw(spec, trained, setting.samples)
            found[told].append(see(trained, *drawn, setting.levels))
    by_level = (result for level in setting.levels for result in compared(setting, found, level))
    return [*at_their_best(setting, found), *by_level]


def draw(spec: CascadeSpec, trained: Path, samples: int) -> tuple[Real, Tensor]:
    """Real pictures, and what the base makes of their captions: the same for every bridge."""
    sizes = [node.grid.size for node in nodes(spec)]
    real = Real.of(gather(spec, None, root=trained, cache=trained / "training" / "data"), sizes, samples)
    base = spec.stages[0].name
    return real, Cascade.from_pretrained(trained).sample(list(real.captions), until=base).x


def at_their_best(setting: Setting, found: Found) -> list[Result]:
    """Told and untold, each at the level where its chain is best on half of the samples, measured on the other half."""
    best = {told: _best(setting.levels, side) for told, side in found.items()}
    told, untold = ([one[best[key]] for one in found[key]] for key in (True, False))
    pairs = list(zip(told, untold, strict=True))
    gaps = [half(a.gap, second=True) - half(b.gap, second=True) for a, b in pairs]
    chains = [half(a.chain, second=True) - half(b.chain, second=True) for a, b in pairs]
    return [
        _over_seeds("gap_told_minus_untold", gaps, target=0.0),
        _over_seeds("chain_told_minus_untold", chains),
        *(
            Result(f"best_level_{name}", at, "std", at, at, 1)
            for name, at in zip(("told", "untold"), (best[True], best[False]), strict=True)
        ),
    ]


def _best(levels: Sequence[float], side: Sequence[dict[float, Seen]]) -> float:
    """A gap alone would be least where the input is hidden altogether, so the whole chain decides."""
    return min(levels, key=lambda level: sum(half(one[level].chain, second=False) for one in side))


def compared(setting: Setting, found: Found, level: float) -> list[Result]:
    """Told and untold at one level."""
    told, untold = ([one[level] for one in found[key]] for key in (True, False))
    each = [a.gap - b.gap for a, b in zip(told, untold, strict=True)]
    name = f"gap_told_minus_untold_at_{level:g}"
    return [
        _over_seeds(name, [one.value for one in each], family=len(setting.levels)),
        _over_seeds(f"gap_told_at_{level:g}", *([one.gap.value for one in side] for side in (told, untold))),
        _over_seeds(f"own_told_at_{level:g}", *([one.own.value for one in side] for side in (told, untold))),
        _over_seeds(f"chain_told_at_{level:g}", *([one.chain.value for one in side] for side in (told, untold))),
        *(_result(f"{name}_seed_{seed}", one) for seed, one in zip(setting.seeds, each, strict=True)),
    ]


def _over_seeds(
    name: str, values: Sequence[float], peers: Sequence[float] = (), *, target: float | None = None, family: int = 1
) -> Result:
    """The mean of independent trainings beside that of others; 95% for the family; one alone has no interval."""
    n, mean = len(values), sum(values) / len(values)
    peer = sum(peers) / len(peers) if peers else None
    if n < 2:
        return Result(name, mean, "1", -math.inf, math.inf, n, target, peer)
    spread = sum((value - mean) ** 2 for value in values) / (n - 1)
    interval = Estimate(mean, spread / n, n).interval(bonferroni(CONFIDENCE, family))
    return Result(name, mean, "1", interval.low, interval.high, n, target, peer)


def _result(name: str, value: Pairwise) -> Result:
    interval = value.interval()
    return Result(name, value.value, "1", interval.low, interval.high, value.n)


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cascade", default="emoji-64", help="a trained cascade of at least base and bridge")
    parser.add_argument("--steps", type=int, default=2000, help="training steps of each bridge")
    parser.add_argument("--samples", type=int, default=256)
    parser.add_argument("--out", type=Path, help="keeps the trained bridges here, and goes on from them")
    parser.add_argument("--quick", action="store_true", help="a smoke version of at most a minute")
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line on stdout")
    options = parser.parse_args()
    full = Setting(options.cascade, options.steps, options.samples, (0, 1, 2), LEVELS)
    setting = Setting(options.cascade, 2, 32, (0,), LEVELS[:1]) if options.quick else full
    before = timing.load()
    with tempfile.TemporaryDirectory() as name:
        folder = options.out or Path(name)
        results = told_against_untold(setting, folder)
    timing.report("told_level", timing.device_name(torch.device("cpu")), results, as_json=options.json, before=before)


if __name__ == "__main__":
    main()
