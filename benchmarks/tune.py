"""What `dynaxx tune` finds on the bundled trained cascade: FLOPs and score before and after, on fresh samples.

    python benchmarks/tune.py --json

The score is tune's own (docs/tune.md), on one signal of each of the groups that come after those searched on in the
order drawn by --seed, with other random numbers; that none is in both is checked. `flops_ratio`: after / before;
`score_spare`: after - before + 2% of |before|, paired, its low end a one-sided bound of 95%: within 2% where that is 0
or more. `score_ratio`: after / before, the same bound by Fieller. Its peer has the same FLOPs by fewer steps in every
stage alike. `mmd2_change` and `hit_rate_change` are second opinions that nothing was chosen by: the lens' distance, and
how often the picture that was asked for comes out, for names that were not searched on. The search is kept in
--folder, and goes on there.
"""

from __future__ import annotations

import argparse
import math
import tempfile
from collections.abc import Collection
from pathlib import Path

import timing
import torch
from prompt_hits import Everything, difference, draw
from timing import Result

from dynaxx.data.open import open_data
from dynaxx.engine.cascade import Cascade
from dynaxx.engine.runtime import Runtime
from dynaxx.evolve.tune.bed import BLOCK, Bed
from dynaxx.evolve.tune.choice import Choice
from dynaxx.evolve.tune.confirm import FRESH, fresh
from dynaxx.evolve.tune.cost import Costs
from dynaxx.evolve.tune.race import ONE_SIDED
from dynaxx.evolve.tune.run import Options, Tuned, Tuning
from dynaxx.evolve.tune.search import Bound
from dynaxx.lens.findings import Measure
from dynaxx.lens.reference import Reference
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
    assert found.confirmed is not None
    bed = Bed(cascade, unseen(cascade, found.num, options), options.seed + FRESH, options.kept)
    other, blocks = evenly(cascade, Costs(cascade), found.then.total), -(-found.confirmed.num // BLOCK)
    scores = [bed.score(choice, bed.graph[-1], blocks) for choice in (other, Choice())]
    return ratio(scores[0], scores[1], ONE_SIDED).value


def unseen(cascade: Cascade, searched: int, options: Options) -> Reference:
    """What the result is confirmed on; ends where any of it was searched on."""
    signals = fresh(cascade, searched, options.fresh, seed=options.seed)
    if not signals.unseen:
        raise SystemExit("no signals are left to confirm on")
    return signals.reference


def hits(before: Cascade, after: Cascade, count: int, seed: int, searched: Collection[str]) -> Result:
    """How many more of the pictures asked for come out, of groups of which no name was searched on."""
    everything = Everything(open_data(EmojiData(flags=False), part="all"))  # type: ignore[arg-type]
    known = {group for group, name in zip(everything.groups, everything.data.captions, strict=True) if name in searched}
    drawn = everything.drawn(count + len(known), seed)
    chosen = [i for i in drawn if everything.groups[i] not in known][:count]
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
    searched = tuning.search.bed.reference
    others = unseen(cascade, found.num, options)
    if both := set(searched.prompts) & set(others.prompts):
        raise SystemExit(f"searched and confirmed on: {sorted(both)}")
    sure, n = found.confirmed, found.confirmed.num
    share = found.then.total / found.now.total
    print(f"seed {options.seed}: {len(searched)} groups searched on, {n} others confirmed on, {sure.draws} draws each")
    print(f"score {sure.before.value:.4f} before, {sure.after.value:.4f} after", flush=True)
    made = [
        Result("flops_ratio", share, "1", share, share, 1, target=options.bound.share),
        Result("score_spare", *_placed(sure.spare), n, target=0.0),
        Result("score_ratio", *_placed(sure.ratio), n, target=1 - options.within, peer=peer(cascade, found, options)),
        Result("mmd2_change", *_placed(sure.mmd2_change), n),
        Result("search_s", found.latency_s, "s", found.latency_s, found.latency_s, 1, target=1800.0),
        Result("blocks_run", float(found.made), "1", found.made, found.made, 1),
    ]
    if count:
        after = cascade.with_settings(dict(found.choice.settings))
        made.append(hits(cascade, after, count, options.seed, set(searched.prompts)))
    return made


def _placed(found: Measure) -> tuple[float, str, float, float]:
    value, low, high = (math.nan if one is None else one for one in (found.value, found.low, found.high))
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
