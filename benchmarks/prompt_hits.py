"""How often a cascade draws what it is asked for: the named group among the 5 that look most like the picture.

Skin tone and gender are folded into groups, flags are left out. A real picture, shifted by a pixel and kept as JPEG at
quality 50, gives the ceiling; pictures handed to other prompts give the chance level.
"""

from __future__ import annotations

import argparse
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import NormalDist

import numpy as np
import timing
import torch
from look import Gallery
from PIL import Image
from timing import Result
from torch import Tensor

from dynaxx import Cascade
from dynaxx.data.emoji import Emoji, group_of
from dynaxx.data.open import open_data
from dynaxx.data.split import belongs
from dynaxx.signal.random import Draws
from dynaxx.signal.resample import resample
from dynaxx.spec.data import EmojiData

NEAREST = 5
BATCH = 20
TARGET = 0.5
"""Trained on a CPU alone; 0.8 where an accelerator is at hand."""
PARAPHRASES = json.loads(Path(__file__).with_name("paraphrases.json").read_text("utf-8"))
"""Words that are not the name's, and what may be meant by them."""


@dataclass(frozen=True)
class Everything:
    """Every emoji without flags, each once at 64 x 64, by group."""

    data: Emoji

    @cached_property
    def groups(self) -> list[str]:
        """The group of each."""
        return [sample.group for sample in self._samples]

    @cached_property
    def pictures(self) -> Tensor:
        """All of them, `(N, 3, 64, 64)`."""
        return torch.stack([sample.x for sample in self._samples])

    @cached_property
    def gallery(self) -> Gallery:
        """What a picture is held against."""
        return Gallery(self.pictures, self.groups)

    @cached_property
    def _samples(self) -> list:
        return [self.data[i] for i in range(len(self.data))]

    def drawn(self, count: int, seed: int) -> list[int]:
        """The plainest member (the shortest in code points) of `count` groups drawn by seed."""
        order = torch.argsort(Draws(seed, "/prompt-hits", (0,)).bits("groups", (len(self.gallery.names),))[0])
        return [self.plainest(self.gallery.names[i]) for i in order[:count].tolist()]

    def plainest(self, group: str) -> int:
        """The index of the member with the fewest code points."""
        members = [i for i, other in enumerate(self.groups) if other == group]
        return min(members, key=lambda i: (len(self._samples[i].id), self._samples[i].id))

    def hits(self, pictures: Tensor, wanted: Sequence[set[str]]) -> Tensor:
        """1 where a wanted group is among the nearest, `(B,)`."""
        found = self.gallery.nearest(pictures, NEAREST)
        return torch.tensor([float(not groups.isdisjoint(near)) for groups, near in zip(wanted, found, strict=True)])


def draw(cascade: Cascade, prompts: Sequence[str], seed: int) -> Tensor:
    """One picture for each prompt, at 64 x 64."""
    parts = []
    for start in range(0, len(prompts), BATCH):
        chosen = list(prompts[start : start + BATCH])
        samples = cascade.sample(chosen, seed=seed, ids=range(start, start + len(chosen)))
        parts.append(resample(samples.x, (64, 64), "bicubic-antialias").clamp(-1, 1))
    return torch.cat(parts)


def worn(pictures: Tensor) -> Tensor:
    """Real pictures shifted by a pixel and kept as JPEG at quality 50: as near as can be asked for."""
    shifted = torch.nn.functional.pad(pictures, (1, 0, 1, 0), value=1.0)[..., :-1, :-1]
    return torch.stack([_jpeg(x) for x in shifted])


def _jpeg(x: Tensor) -> Tensor:
    pixels = ((x + 1) * 127.5).round().clamp(0, 255).byte().permute(1, 2, 0).numpy()
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="JPEG", quality=50)
    with Image.open(buffer) as image:
        return torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 127.5 - 1


def rate(name: str, hits: Tensor, *, target: float | None = None, peer: float | None = None) -> Result:
    """A share with Wilson's 95% interval."""
    n, p, z = len(hits), float(hits.mean()), NormalDist().inv_cdf(0.975)
    centre, half = p + z * z / (2 * n), z * (p * (1 - p) / n + z * z / (4 * n * n)) ** 0.5
    low, high = ((centre + sign * half) / (1 + z * z / n) for sign in (-1, 1))
    return Result(name, p, "1", low, high, n, target, peer)


def difference(name: str, ours: Tensor, theirs: Tensor, *, target: float | None = None) -> Result:
    """The difference of two shares on the same prompts, with Agresti and Min's 95% interval (Stat. Med. 2005).

    Half a case is added to each of the four outcomes of a pair, so that it has a width where all pairs agree.
    """
    n, z = len(ours) + 2, NormalDist().inv_cdf(0.975)
    better, worse = (float((a > b).sum() + 0.5) / n for a, b in ((ours, theirs), (theirs, ours)))
    centre, half = better - worse, z * ((better + worse - (better - worse) ** 2) / n) ** 0.5
    return Result(name, float((ours - theirs).mean()), "1", centre - half, centre + half, len(ours), target)


def measure(cascade: Cascade, baseline: Cascade | None, *, count: int, seed: int) -> list[Result]:
    """All figures of one cascade, and of a baseline on the same prompts and random numbers."""
    everything = Everything(open_data(EmojiData(flags=False), part="all"))  # type: ignore[arg-type]
    chosen = everything.drawn(count, seed)
    wanted, prompts = [{everything.groups[i]} for i in chosen], [everything.data.captions[i] for i in chosen]
    pictures = draw(cascade, prompts, seed)
    hits = everything.hits(pictures, wanted)
    theirs = None if baseline is None else everything.hits(draw(baseline, prompts, seed), wanted)
    peer = None if theirs is None else float(theirs.mean())
    results = [
        rate("hit_rate", hits, target=TARGET, peer=peer),
        rate("ceiling", everything.hits(worn(everything.pictures[chosen]), wanted)),
        rate("chance", everything.hits(pictures.roll(1, 0), wanted)),
        *_by_part(hits, wanted, getattr(cascade.spec.data, "withheld", 0.0)),
        _paraphrased(cascade, everything, seed),
    ]
    if theirs is not None:
        results.insert(1, difference("hit_rate_minus_baseline", hits, theirs, target=0.0))
    return results


def _by_part(hits: Tensor, wanted: Sequence[set[str]], withheld: float) -> list[Result]:
    """Groups that all stages saw in training, and those that only the base did."""
    seen = torch.tensor([belongs(group, withheld, "used") for (group,) in wanted])
    parts = {"hit_rate_seen_by_all": hits[seen], "hit_rate_seen_by_base_only": hits[~seen]}
    return [rate(name, part) for name, part in parts.items() if len(part)]


def _paraphrased(cascade: Cascade, everything: Everything, seed: int) -> Result:
    """Words that are not the name's."""
    meant = [{group_of(char) for char in chars} for chars in PARAPHRASES.values()]
    return rate("paraphrase_hit_rate", everything.hits(draw(cascade, list(PARAPHRASES), seed), meant))


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cascade", nargs="?", default="emoji-64", help="a folder, a file or a bundled name")
    parser.add_argument("--baseline", metavar="RUN", help="another one, asked for the same (recipes/emoji-single.yaml)")
    parser.add_argument("--num", type=int, default=200, help="groups drawn")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="20 groups, without the baseline")
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line on stdout")
    options = parser.parse_args()
    before, cascade = timing.load(), Cascade.from_pretrained(options.cascade)
    baseline = Cascade.from_pretrained(options.baseline) if options.baseline and not options.quick else None
    results = measure(cascade, baseline, count=20 if options.quick else options.num, seed=options.seed)
    device = timing.device_name(torch.device("cpu"))
    timing.report("prompt_hits", device, results, as_json=options.json, before=before)


if __name__ == "__main__":
    main()
