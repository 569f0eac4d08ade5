"""What a run gives back: the samples, every stage's outputs that were kept, and the trace."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor

from dynaxx.engine.trace import Trace
from dynaxx.spec.grid import PIXELS


@dataclass(frozen=True)
class Samples:
    """B samples: `x` is the last node's output `(B, C, *size)`, `stages` holds each kept node's.

    `inputs` holds what each kept node was given, by input. `decoded` holds the signals that kept latents stand for, and
    `x` is one of them, where the run was asked to decode; `space` is the one in which x lies.
    """

    x: Tensor
    stages: Mapping[str, Tensor]
    inputs: Mapping[str, Mapping[str, Tensor]]
    prompts: tuple[str, ...]
    trace: Trace
    decoded: Mapping[str, Tensor] = field(default_factory=dict)
    space: str = PIXELS

    def __len__(self) -> int:
        return len(self.x)

    def __repr__(self) -> str:
        size = "x".join(map(str, self.x.shape[1:]))
        kept = f", kept: {', '.join(self.stages)}" if self.stages else ""
        return f"Samples({len(self)} of {size}, seed {self.trace.seed}, run_id {self.trace.run_id}{kept})"

    def provenance(self, index: int) -> dict[str, str]:
        """What it takes to make sample `index` again, as text for a file's metadata."""
        levels = {f"{node.name}.{name}": std for node in self.trace.nodes for name, std in node.std.items()}
        facts = {
            "dynaxx:run_id": self.trace.run_id,
            "dynaxx:seed": str(self.trace.seed),
            "dynaxx:id": str(self.trace.ids[index]),
            "dynaxx:levels": ", ".join(f"{name}={std:g}" for name, std in levels.items()),
            "dynaxx:blur": ", ".join(f"{n.name}.{k}={std:g}" for n in self.trace.nodes for k, std in n.blur.items()),
            "dynaxx:steps": ", ".join(f"{node.name}={node.steps}" for node in self.trace.nodes if node.steps),
        }
        sizes = ", ".join(f"{name}={'x'.join(map(str, size))}" for name, size in self.trace.sizes.items())
        more = {
            "sizes": sizes,
            "given": ", ".join(self.trace.given),
            "seeds": ", ".join(f"{n.name}={seeds[index]}" for n in self.trace.nodes if (seeds := n.seeds)),
            "prompt": "".join(self.prompts[index : index + 1]),
        }
        facts |= {f"dynaxx:{name}": fact for name, fact in more.items()}
        return {name: fact for name, fact in facts.items() if fact}
