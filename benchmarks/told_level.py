"""Is a bridge better off that is told how noisy its input is? And do trained stages look at their input at all?

The bridge of the bundled cascade is trained anew on its frozen base, for fewer steps, told the level or not, from
three seeds. The hand-over gap is the distance to real pictures that is due to the base's mistakes:
`d(bridge(base)) - d(bridge(real))`, an unbiased MMD^2 on built-in features, everything paired by sample and seed. It is
measured at several levels, since a bridge that is told may be run at any. `--out` keeps the bridges, and goes on.
"""

from __future__ import annotations

import argparse
import math
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import timing
import torch
from timing import Result
from torch import Tensor

from dynaxx import Cascade
from dynaxx.metrics.builtin import Builtin
from dynaxx.metrics.features import Standard
from dynaxx.metrics.interval import Estimate
from dynaxx.metrics.kernels import Gaussian
from dynaxx.metrics.mmd import mmd2
from dynaxx.metrics.pairwise import Pairwise
from dynaxx.noise.denoiser import Input
from dynaxx.spec.bundled import resolve
from dynaxx.spec.cascade import CascadeSpec
from dynaxx.spec.files import load
from dynaxx.spec.graph import nodes
from dynaxx.spec.override import override
from dynaxx.stage.diffusion import Diffusion
from dynaxx.train import train
from dynaxx.train.fit import losses_of
from dynaxx.train.material import Material, gather
from dynaxx.train.order import permutation
from dynaxx.train.pairs import Batch, Pairs

LEVELS = (0.1, 0.3, 0.6)
"""What bridges are run at, standard deviations within the range that they are trained on; the first is the recipe's."""
DRAWN_STEPS = 10
"""Steps of the bridge when it is drawn from."""
NOISY = 0.3
"""The share of training times, from the noisiest down, at which inputs are shuffled."""
BATCH = 32


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


def gap(cascade: Cascade, real: Real, made: Tensor) -> Pairwise:
    """What the base's mistakes cost after the bridge."""
    base = cascade.spec.stages[0].name
    chain, own = (cascade.sample(list(real.captions), given={base: low}).x for low in (made, real.low))
    return real.distance(chain) - real.distance(own)


def gaps(trained: Path, real: Real, made: Tensor, levels: Sequence[float]) -> dict[float, Pairwise]:
    """The hand-over gap of one trained bridge by the level that it is run at."""
    cascade = Cascade.from_pretrained(trained)
    name = cascade.spec.stages[1].name
    settings = {f"{name}.solver.steps": DRAWN_STEPS}
    return {
        level: gap(cascade.with_settings(settings | {f"{name}.inputs.low.noise.std": level}), real, made)
        for level in levels
    }  # fmt: skip


def told_against_untold(setting: Setting, folder: Path) -> list[Result]:
    """The difference of the gaps, told less untold, by level: over all seeds (Student), and each by its samples."""
    found: dict[bool, list[dict[float, Pairwise]]] = {True: [], False: []}
    drawn: tuple[Real, Tensor] | None = None
    for seed in setting.seeds:
        for told in found:
            spec = bridge_only(setting, told=told, seed=seed)
            out = folder / f"{'told' if told else 'untold'}-{seed}"
            trained = train(spec, out=out, stages=[spec.stages[1].name], device="cpu").folder
            drawn = drawn or draw(spec, trained, setting.samples)
            found[told].append(gaps(trained, *drawn, setting.levels))
    return [result for level in setting.levels for result in compared(setting, found, level)]


def draw(spec: CascadeSpec, trained: Path, samples: int) -> tuple[Real, Tensor]:
    """Real pictures, and what the base makes of their captions: the same for every bridge."""
    sizes = [node.grid.size for node in nodes(spec)]
    real = Real.of(gather(spec, None, root=trained, cache=trained / "training" / "data"), sizes, samples)
    base = spec.stages[0].name
    return real, Cascade.from_pretrained(trained).sample(list(real.captions), until=base).x


def compared(setting: Setting, found: dict[bool, list[dict[float, Pairwise]]], level: float) -> list[Result]:
    """Told and untold at one level."""
    told, untold = ([one[level] for one in found[key]] for key in (True, False))
    each = [a - b for a, b in zip(told, untold, strict=True)]
    name = f"gap_told_minus_untold_at_{level:g}"
    means = [[gap.value for gap in side] for side in (told, untold)]
    return [
        _over_seeds(name, [one.value for one in each], target=0.0),
        _over_seeds(f"gap_told_at_{level:g}", means[0], peer=sum(means[1]) / len(means[1])),
        *(_result(f"{name}_seed_{seed}", one) for seed, one in zip(setting.seeds, each, strict=True)),
    ]


def _over_seeds(
    name: str, values: Sequence[float], *, target: float | None = None, peer: float | None = None
) -> Result:
    """The mean of independent trainings with its interval; a single one has none."""
    n, mean = len(values), sum(values) / len(values)
    if n < 2:
        return Result(name, mean, "1", -math.inf, math.inf, n, target, peer)
    spread = sum((value - mean) ** 2 for value in values) / (n - 1)
    interval = Estimate(mean, spread / n, n).interval()
    return Result(name, mean, "1", interval.low, interval.high, n, target, peer)


def _result(name: str, value: Pairwise) -> Result:
    interval = value.interval()
    return Result(name, value.value, "1", interval.low, interval.high, value.n)


def shuffled(setting: Setting, folder: Path) -> list[Result]:
    """The loss at high noise with the inputs handed to other samples, over the loss with their own, by stage."""
    cascade = Cascade.from_pretrained(setting.cascade)
    graph = nodes(cascade.spec)
    material = gather(cascade.spec, None, root=None, cache=folder / "data")
    return [
        _loss_ratio(cascade.stages[node.stage.name], Pairs(cascade.spec.condition, graph, node, material), setting)
        for node in graph
        if node.inputs
    ]  # fmt: skip


@torch.no_grad()
def _loss_ratio(stage: object, pairs: Pairs, setting: Setting) -> Result:
    assert isinstance(stage, Diffusion)
    ratios = list[float]()
    for start in range(0, setting.samples, BATCH):
        batch = _noisy(pairs.batch(range(start, start + BATCH)))
        own, other = (float(losses_of(stage, b).mean()) for b in (batch, _with_others_inputs(batch)))
        ratios.append(other / own)
    return timing.median(f"loss_shuffled_over_own_{stage.spec.name}", ratios, "1", target=1.0)


def _noisy(batch: Batch) -> Batch:
    """The same batch at the noisiest times."""
    return Batch(batch.x, 1 - NOISY * batch.t, batch.eps, batch.inputs, batch.condition, batch.ids)


def _with_others_inputs(batch: Batch) -> Batch:
    inputs = {name: _passed_on(given) for name, given in batch.inputs.items()}
    return Batch(batch.x, batch.t, batch.eps, inputs, batch.condition, batch.ids)


def _passed_on(given: Input) -> Input:
    """Every sample's input, with the levels told of it, to the next sample."""
    moved = {
        field: value.roll(1, 0)
        for field in ("x", "source", "std", "blur", "alpha")
        if isinstance(value := getattr(given, field), Tensor) and value.ndim
    }
    return replace(given, **moved)


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cascade", default="emoji-64", help="a trained cascade of at least base and bridge")
    parser.add_argument("--steps", type=int, default=1500, help="training steps of each bridge")
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
        results = [*told_against_untold(setting, folder), *shuffled(setting, folder)]
    timing.report("told_level", timing.device_name(torch.device("cpu")), results, as_json=options.json, before=before)


if __name__ == "__main__":
    main()
