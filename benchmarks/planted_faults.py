"""Does the lens find the fault? Faults are planted in healthy cascades, and healthy ones are looked at as they are.

`stage_and_kind_share` and `stage_share` are over plantings of named kinds, `stranger_stage_share` over faults that
the lens has no name for; `false_alarms` is the share of healthy cascades with anything above "watch", at the seed
that least effects were set at, and `fresh_false_alarms` the share at two other seeds, with networks trained anew. A
fault is planted at the weakest of its strengths at which samples differ from the healthy ones by 30 dB PSNR or less at
equal seeds. The `held_out` shares are over other cascades, with other seeds, at strengths that are weaker by a sixth.
Intervals are clustered by cascade. The confusion table goes to stdout, or to stderr with --json.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import IO

import faults
import timing
import torch
from healthy import Bed, empirical_beds, gaussian_beds, trained_beds
from shares import clustered

from dynaxx.engine.cascade import Cascade
from dynaxx.lens.diagnose import diagnose, worst
from dynaxx.lens.exam import examine
from dynaxx.lens.open import Options, look

NUM = 96
TRAINING_STEPS = 1500
WEAKER, OTHER_SEED = 5 / 6, 1
"""Strengths, and the seed of the lens, of what is held out."""
FRESH = (271, 828)
"""Seeds at which nothing was looked at before their figures were first written down."""
PARTS = ("named", "strangers", "held-out", "healthy", "fresh")


@dataclass(frozen=True)
class Planting:
    """A fault, where it was planted, and what the lens said."""

    bed: str
    fault: str
    kind: str
    stage: str
    strength: float
    said_stage: str | None
    said_kind: str | None

    @property
    def found(self) -> bool:
        """Whether the stage is right."""
        return self.said_stage == self.stage

    @property
    def named(self) -> bool:
        """Whether stage and kind are right."""
        return self.found and self.said_kind == self.kind


def plantings(beds: Sequence[Bed], known: Sequence[faults.Fault], *, seed: int = 0) -> Iterator[Planting]:
    """Every fault in every stage of every bed where it can be and be seen."""
    for bed in beds:
        asked = list(_prompts(bed))
        samples = {"prompt": asked or None, "num": 1 if asked else 24, "seed": 9 + seed}
        healthy = bed.cascade.sample(**samples).x
        for stage in bed.cascade.spec.stages:
            for fault in known:
                if not _fits(bed, stage.name, fault):
                    continue
                planted = faults.planted(bed.cascade, stage.name, fault, samples, healthy=healthy)
                if planted is not None:
                    said = _said(planted[0], seed)
                    found = Planting(bed.name, fault.name, fault.kind, stage.name, planted[1], *said)
                    print(
                        f"{'named' if found.named else found}: {bed.name}, {stage.name}, {fault.name}", file=sys.stderr
                    )
                    yield found


def _fits(bed: Bed, stage: str, fault: faults.Fault) -> bool:
    spec = next(s for s in bed.cascade.spec.stages if s.name == stage)
    first, channels = not spec.inputs, spec.out.channels
    if not (fault.base if first else fault.later):
        return False
    if fault.kind == "prompt-ignored" and bed.cascade.spec.condition.text is None:
        return False
    alike = bed.kind == "gaussian" and first and fault.kind == "channel-order"  # channels of one distribution
    coloured = fault.kind in ("channel-order", "colour-cast") or fault.name == "grey"
    repeated = spec.repeat is not None and fault.kind == "level"  # its levels stand in `repeat`
    return not alike and not repeated and (channels > 1 or not coloured)


def _prompts(bed: Bed) -> Sequence[str]:
    if bed.cascade.spec.condition.text is None:
        return ()
    samples = getattr(bed.cascade.stages[bed.cascade.spec.stages[0].name], "library").samples  # noqa: B009
    return [sample.caption for sample in samples[:24]]


def _said(cascade: Cascade, seed: int) -> tuple[str | None, str | None]:
    """Stage and kind by the exams, from which the verdict names a fault."""
    bench = look(cascade, options=Options(num=NUM, seed=seed)).bench
    found = worst(diagnose(bench, [examine(bench, node) for node in bench.graph]), {})
    if found is None or found.explanation is None:
        return None, None
    return found.exam.node.stage.name, found.explanation.kind


def verdicts(beds: Sequence[Bed], seed: int = 0) -> Iterator[tuple[str, str]]:
    """Each bed with the level of its verdict, all probes of the quick budget included."""
    for bed in beds:
        view = look(bed.cascade, options=Options(num=NUM, seed=seed))
        for _ in view.steps():
            pass
        verdict = view.lensed().report.verdict
        print(f"healthy at {seed}: {bed.name}: {verdict.level}, {verdict.headline}", file=sys.stderr)
        yield bed.name, verdict.level


def result(name: str, hits: Iterable[tuple[str, bool]], target: float | None) -> timing.Result:
    """A share of hits, each with the bed it is from, with its interval."""
    share, low, high, n = clustered(hits)
    return timing.Result(name, share, "share", low, high, n, target)


def confusion(found: Sequence[Planting], out: IO[str]) -> None:
    """Rows: what was planted; columns: what the lens said, with its count."""
    for fault in dict.fromkeys(planting.fault for planting in found):
        mine = [planting for planting in found if planting.fault == fault]
        said = Counter(p.said_kind or "nothing" for p in mine if p.found or p.said_stage is None)
        elsewhere = sum(not p.found and p.said_stage is not None for p in mine)
        words = [f"{kind} {count}" for kind, count in said.most_common()]
        words += [f"another stage {elsewhere}"] if elsewhere else []
        print(f"{fault:28} {mine[0].kind:16} n={len(mine):<3} {', '.join(words)}", file=out)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true", help="a smoke version: one bed of a kind")
    parser.add_argument("--trained", type=int, default=5, help="healthy trained cascades")
    parser.add_argument("--only", choices=PARTS, nargs="+", default=PARTS, help="parts of it, to run them one by one")
    options = parser.parse_args()
    before, out = timing.load(), sys.stderr if options.json else sys.stdout
    torch.set_num_threads(1)
    results = quick(out) if options.quick else full(options.only, options.trained, out)
    timing.report("planted_faults", "cpu", results, as_json=options.json, before=before)


def quick(out: IO[str]) -> list[timing.Result]:
    """A smoke version: one bed, every sixth fault, one stranger."""
    bed = list(gaussian_beds())[1]
    found, strange = list(plantings([bed], faults.FAULTS[::6])), list(plantings([bed], faults.STRANGERS[:1]))
    confusion([*found, *strange], out)
    return [*shares("", found), stranger(strange), alarms("false_alarms", verdicts([bed]), out)]


def full(only: Sequence[str], trained: int, out: IO[str]) -> list[timing.Result]:
    """The parts that are asked for."""
    gaussians, pictures, results = list(gaussian_beds()), list(empirical_beds()), list[timing.Result]()
    nets = list(trained_beds(trained, steps=TRAINING_STEPS)) if {"named", "held-out", "healthy"} & {*only} else []
    known = [*gaussians[:3], *gaussians[8:], *pictures[:3], *nets[:1]]
    others = [*gaussians[3:8], *pictures[3:], *nets[1:2]]
    if "named" in only:
        found = list(plantings(known, faults.FAULTS))
        confusion(found, out)
        results += shares("", found)
    if "held-out" in only:
        weaker = [fault.scaled(WEAKER) for fault in faults.FAULTS]
        found = list(plantings(others, weaker, seed=OTHER_SEED))
        print("held out:", file=out)
        confusion(found, out)
        results += shares("held_out_", found)
    if "strangers" in only:
        found = list(plantings([gaussians[1], *pictures], faults.STRANGERS))
        confusion(found, out)
        results.append(stranger(found))
    if "healthy" in only:
        results.append(alarms("false_alarms", verdicts([*gaussians, *pictures, *nets]), out))
    if "fresh" in only:
        results.append(alarms("fresh_false_alarms", _fresh([*gaussians, *pictures], trained), out))
    return results


def _fresh(exact: Sequence[Bed], trained: int) -> Iterator[tuple[str, str]]:
    """The verdicts at seeds that were not looked at before, on the exact beds and on networks trained from them."""
    for seed in FRESH:
        yield from verdicts([*exact, *trained_beds(trained, steps=TRAINING_STEPS, first=seed)], seed)


def shares(prefix: str, found: Sequence[Planting]) -> Iterator[timing.Result]:
    """How often stage and kind are right, and how often the stage is."""
    yield result(f"{prefix}stage_and_kind_share", [(p.bed, p.named) for p in found], 0.95)
    yield result(f"{prefix}stage_share", [(p.bed, p.found) for p in found], 0.95)


def stranger(found: Sequence[Planting]) -> timing.Result:
    """How often the stage is right of faults without a name."""
    return result("stranger_stage_share", [(p.bed, p.found) for p in found], None)


def alarms(name: str, calm: Iterable[tuple[str, str]], out: IO[str]) -> timing.Result:
    """How often something above "watch" is said of healthy cascades, by their names and levels."""
    told = list(calm)
    for bed, level in told:
        print(f"healthy: {bed:24} {level}", file=out)
    return result(name, [(bed, level == "fault") for bed, level in told], 0.0)


if __name__ == "__main__":
    main()
