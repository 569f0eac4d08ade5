"""The stored signals of an empirical stage, at whatever size a grid asks for, with the prior a prompt gives them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from dynaxx.data.match import match, suggest
from dynaxx.data.open import open_data
from dynaxx.data.sample import Sample
from dynaxx.errors import DataError, SpecError, UsageError
from dynaxx.signal.blur import blur
from dynaxx.signal.device import double_on
from dynaxx.signal.resample import resample
from dynaxx.spec.graph import Node
from dynaxx.spec.stage import EmpiricalStage
from dynaxx.store.atomic import write_bytes

KERNEL = "bicubic-antialias"
SIGNALS = "signals.safetensors"


@final
@dataclass(frozen=True)
class Stored:
    """The signals on one grid as rows `x (N, C * sites)` in float64, and their squared lengths `(N,)`.

    They lie on the CPU where the device has no float64.
    """

    x: Tensor
    square: Tensor

    @classmethod
    def of(cls, signals: Tensor) -> Stored:
        """The rows of `(N, C, *size)`."""
        x = signals.flatten(1).double()
        return cls(x, (x * x).sum(1))


@final
class Library:
    """N signals at full size, with captions; smaller versions are made once per size and kept."""

    def __init__(self, samples: Sequence[Sample], kernel: str = KERNEL) -> None:
        if not samples:
            raise DataError("data", "an empirical stage needs at least one signal.", "Name a folder that holds some.")
        self.samples, self.kernel = list(samples), kernel
        self._at: dict[object, Stored] = {}
        self.full = torch.stack([sample.x for sample in samples])
        self._prior: dict[str, Tensor] = {}

    def save(self, folder: Path) -> None:
        """Write signals, captions and keywords into `folder`, as one safetensors file."""
        words = [[sample.id, sample.caption, list(sample.keywords)] for sample in self.samples]
        facts = {"words": json.dumps(words, ensure_ascii=False), "kernel": json.dumps(self.kernel)}
        write_bytes(folder / SIGNALS, safetensors.torch.save({"x": self.full.contiguous()}, metadata=facts))

    @classmethod
    def load(cls, folder: Path) -> Library:
        """Read what `save` wrote.

        Raises:
            DataError: if the file is damaged.
        """
        try:
            with safetensors.safe_open(folder / SIGNALS, "pt") as file:
                facts, xs = file.metadata(), file.get_tensor("x")
            words, kernel = json.loads(facts["words"]), json.loads(facts["kernel"])
        except (safetensors.SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
            raise DataError(str(folder / SIGNALS), f"is damaged ({error}).", "Save the cascade again.") from error
        known = zip(words, xs, strict=True)
        return cls([Sample(x, caption=text, id=name, keywords=tuple(more)) for (name, text, more), x in known], kernel)

    def __len__(self) -> int:
        return len(self.samples)

    @property
    def channels(self) -> int:
        """The channels of every signal."""
        return self.full.shape[1]

    def signals(self, size: tuple[int, ...]) -> Tensor:
        """The signals on a grid of `size`: `(N, C, *size)`."""
        return self.full if tuple(self.full.shape[2:]) == size else resample(self.full, size, self.kernel)

    def at(self, size: tuple[int, ...], device: torch.device) -> Stored:
        """The signals on a grid of `size`, ready for products on `device`."""
        return self.seen(size, device)

    def seen(
        self,
        low: tuple[int, ...],
        device: torch.device,
        *,
        blur_std: float = 0.0,
        size: tuple[int, ...] | None = None,
        kernel: str | tuple[str, ...] = KERNEL,
    ) -> Stored:
        """The signals as an edge shows them: on grid `low`, blurred, and brought to `size` by the edge's kernel."""
        key = (low, device, blur_std, size, kernel)
        if key not in self._at:
            shown = blur(self.signals(low), blur_std)
            self._at[key] = Stored.of((shown if size is None else resample(shown, size, kernel)).to(double_on(device)))
        return self._at[key]

    def log_prior(self, prompts: Sequence[str], sharpness: float, device: torch.device | None = None) -> Tensor:
        """The log prior log p_i of each prompt, `(B, N)` float64: sharpness times how well captions match, normalised.

        Raises:
            UsageError: if a prompt names nothing that is stored.
        """
        for prompt in set(prompts) - set(self._prior):
            self._prior[prompt] = self._fit(prompt)
        fits = torch.stack([self._prior[prompt] for prompt in prompts])
        return (sharpness * fits).log_softmax(dim=1).to("cpu" if device is None else double_on(device))

    def _fit(self, prompt: str) -> Tensor:
        fit = match(prompt, self.samples) if prompt else torch.zeros(len(self))
        if prompt and not fit.any():
            near = suggest(prompt, self.samples) or [sample.caption for sample in self.samples[:3]]
            raise UsageError(f"prompt {prompt!r}", "names none of the stored signals.", f"Try: {', '.join(near)}.")
        return fit.double()

    def to(self, device: torch.device) -> None:
        """Forget what was made ready for other devices."""
        self._at = {key: stored for key, stored in self._at.items() if stored.x.device == double_on(device)}


@final
class Libraries:
    """The libraries of a cascade: stages with the same data share one, read at the largest grid that asks for it."""

    def __init__(self, graph: Sequence[Node], root: Path | None = None) -> None:
        self._graph, self._root = graph, root
        self._open: dict[str, Library] = {}

    def of(self, node: Node) -> Library:
        """The library of an empirical stage's node.

        Raises:
            SpecError: if the data has other channels than the stage.
        """
        assert isinstance(node.stage, EmpiricalStage)
        recipe = node.stage.data.model_dump_json()
        if recipe not in self._open:
            self._open[recipe] = self._read(node.stage)
        if (have := self._open[recipe].channels) != node.grid.channels:
            problem = f"is {node.grid.channels}, but its data has {have}."
            raise SpecError(f"stages.{node.index}.out.channels", problem, f"Set it to {have}.")
        return self._open[recipe]

    def _read(self, stage: EmpiricalStage) -> Library:
        saved = (self._root or Path()) / "stages" / stage.name
        if (saved / SIGNALS).is_file():
            return Library.load(saved)
        grids = [n.grid for n in self._graph if isinstance(n.stage, EmpiricalStage) and n.stage.data == stage.data]
        data = open_data(stage.data, size=max(grids, key=lambda grid: grid.sites).size, root=self._root)
        return Library([data[i] for i in range(len(data))], getattr(stage.data, "kernel", KERNEL))
