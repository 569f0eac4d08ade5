"""What `dynaxx tune` finds on the bundled trained cascade: FLOPs and score before and after, on fresh samples.

    python benchmarks/tune.py --json

The score is tune's own (docs/tune.md), on signals of other groups than those searched on. `flops_ratio`: after /
before; `score_ratio`: after / before, its low end a one-sided bound of 95%. Its peer has the same FLOPs by fewer steps
in every stage alike. `mmd2_change` and `hit_rate_change` are second opinions that nothing was chosen by: the lens'
distance, and how often the picture that was asked for comes out. The search is kept in --folder, and goes on there.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import timing
import torch
from prompt_hits import Everything, difference, draw
from timing import Result

from dynaxx.data.open import open_data
from dynaxx.engine.cascade import Cascade
from dynaxx.engine.runtime import Runtime
from dynaxx.evolve.tune.bed import Bed
from dynaxx.evolve.tune.choice import Choice
from dynaxx.evolve.tune.confirm import FRESH, fresh
from dynaxx.evolve.tune.cost import Costs
from dynaxx.evolve.tune.race import ONE_SIDED
from dynaxx.evolve.tune.run import Options, Tuned, Tuning
from dynaxx.evolve.tune.search import Bound
from dynaxx.metrics.ratio import ratio
from dynaxx.spec.data import EmojiData
from dynaxx.spec.files import parse
from dynaxx.spec.stage import DenoisingStage

HITS = 200
QUICK = {
    "name": "pictures", "condition": {"text": {}},
    "stages": [
        {"name": "base", "role": "base", "kind": "empirical", "data": {"kind": "bundled"}, "out": {"size": [8, 8]}},
        {
            "name": "bridge", "role": "bridge", "kind": "empirical", "data": {"kind": "bundled"}, "out": {"scale": 2},
            "inputs": {"low": {"from": "base", "noise": {"train_std": [0.0, 0.6], "std": 0.1}}},
        },
    ],
}  # fmt: skip
"""Two small exact stages."""


def evenly(cascade: Cascade, costs: Costs, most: float) -> Choice:
    """Fewer steps in all stages alike, as many as a sample of `most` work allows."""
    walks = {s.name: s.solver.steps for s in cascade.spec.stages if isinstance(s, DenoisingStage)}
    for percent in range(100, 0, -1):
        choice = Choice.of({f"{name}.solver.steps": max(1, n * percent // 100) for name, n in walks.items()})
        if costs.of(cascade.with_settings(dict(choice.settings))).total <= most:
            break
    return choice


def peer(cascade: Cascade, found: Tuned, options: Options) -> float:
    """The score ratio of the same FLOPs by fewer steps alone, on the samples of the confirmation."""
    reference, _ = fresh(cascade, found.num, options.fresh, seed=options.seed)
    bed = Bed(cascade, reference, options.seed + FRESH, options.kept)
    other = evenly(cascade, Costs(cascade), found.then.total)
    scores = [bed.score(choice, bed.graph[-1], bed.blocks) for choice in (other, Choice())]
    return ratio(scores[0], scores[1], ONE_SIDED).value


def hits(before: Cascade, after: Cascade, count: int, seed: int) -> Result:
    """How many more of the pictures asked for come out."""
    everything = Everything(open_data(EmojiData(flags=False), part="all"))  # type: ignore[arg-type]
    chosen = everything.drawn(count, seed)
    wanted, prompts = [{everything.groups[i]} for i in chosen], [everything.data.captions[i] for i in chosen]
    was, now = (everything.hits(draw(cascade, prompts, seed), wanted) for cascade in (before, after))
    return difference("hit_rate_change", now, was)


def results(cascade: Cascade, options: Options, *, count: int) -> list[Result]:
    """Tune, and hold the result against the cascade as it is and against fewer steps alone."""
    tuning = Tuning(cascade, options)
    for done in tuning.steps():
        print(f"{done.part}, {done.what}: {len(done.round.ran)} over {done.round.blocks} blocks", flush=True)
    found = tuning.tuned()
    if found.choice is None or found.confirmed is None:
        raise SystemExit("nothing was found inside the bound")
    print(f"chosen: {found.choice.words}", flush=True)
    share, sure, n = found.then.total / found.now.total, found.confirmed.ratio, found.confirmed.num
    change = found.confirmed.mmd2_change
    scored = (value if value is not None else float("nan") for value in (sure.value, sure.low, sure.high))
    made = [
        Result("flops_ratio", share, "1", share, share, 1, target=options.bound.share),
        Result("score_ratio", *_placed(*scored), n, target=1 - options.within, peer=peer(cascade, found, options)),
        Result("mmd2_change", *_placed(change.value or 0.0, change.low or 0.0, change.high or 0.0), n),
        Result("search_s", found.latency_s, "s", found.latency_s, found.latency_s, 1, target=1800.0),
        Result("blocks_run", float(found.made), "1", found.made, found.made, 1),
    ]
    if count:
        made.append(hits(cascade, cascade.with_settings(dict(found.choice.settings)), count, options.seed))
    return made


def _placed(value: float, low: float, high: float) -> tuple[float, str, float, float]:
    return value, "1", low, high


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cascade", nargs="?", default="emoji-64", help="a folder, a file or a bundled name")
    parser.add_argument("--budget", type=float, default=1200.0, help="seconds to search and confirm")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="where runs are kept, so that they are not made again")
    parser.add_argument(
        "--quick", action="store_true", help="a smoke version of at most a minute, on small exact stages"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line on stdout")
    options = parser.parse_args()
    before = timing.load()
    runtime = Runtime(batch_size=64)
    if options.quick:
        cascade = Cascade.from_spec(parse(QUICK), runtime=runtime)
    else:
        cascade = Cascade.from_pretrained(options.cascade, runtime=runtime)
    with tempfile.TemporaryDirectory() as folder:
        budget, num = (30.0, 16) if options.quick else (options.budget, 64)
        told = Options(Bound(0.5), budget, num, 2 * num, seed=options.seed, kept=options.folder or Path(folder))
        made = results(cascade, told, count=0 if options.quick else HITS)
    timing.report("tune", timing.device_name(torch.device("cpu")), made, as_json=options.json, before=before)


if __name__ == "__main__":
    main()
