"""Do trained stages look at their input? Its loss at high noise with other samples' inputs, over that with its own.

Every stage of a trained cascade that has an input, on pictures that it learned from, at the noisiest training times.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path

import timing
import torch
from timing import Result
from torch import Tensor

from dynaxx import Cascade
from dynaxx.noise.denoiser import Input
from dynaxx.spec.graph import nodes
from dynaxx.stage.diffusion import Diffusion
from dynaxx.train.fit import losses_of
from dynaxx.train.material import gather
from dynaxx.train.pairs import Batch, Pairs

NOISY = 0.3
"""The share of training times, from the noisiest down, at which inputs are shuffled."""
BATCH = 32


def shuffled(cascade: Cascade, samples: int, folder: Path) -> list[Result]:
    """The loss at high noise with the inputs handed to other samples, over the loss with their own, by stage."""
    graph = nodes(cascade.spec)
    material = gather(cascade.spec, None, root=None, cache=folder / "data")
    return [
        _loss_ratio(cascade.stages[node.stage.name], Pairs(cascade.spec.condition, graph, node, material), samples)
        for node in graph
        if node.inputs
    ]  # fmt: skip


@torch.no_grad()
def _loss_ratio(stage: object, pairs: Pairs, samples: int) -> Result:
    assert isinstance(stage, Diffusion)
    ratios = list[float]()
    for start in range(0, samples, BATCH):
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
    parser.add_argument("--cascade", default="emoji-64", help="a trained cascade")
    parser.add_argument("--samples", type=int, default=256)
    parser.add_argument("--quick", action="store_true", help="32 samples")
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line on stdout")
    options = parser.parse_args()
    before, samples = timing.load(), BATCH if options.quick else options.samples
    with tempfile.TemporaryDirectory() as name:
        results = shuffled(Cascade.from_pretrained(options.cascade), samples, Path(name))
    device = timing.device_name(torch.device("cpu"))
    timing.report("shuffled_inputs", device, results, as_json=options.json, before=before)


if __name__ == "__main__":
    main()
