"""How a stage stands while it is trained: what it makes of true inputs against the truth, in the lens's metrics."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, final

from torch import Tensor

from dynaxx.engine.run import OnStep
from dynaxx.errors import UsageError
from dynaxx.metrics.builtin import Builtin
from dynaxx.metrics.features import Standard
from dynaxx.metrics.fidelity import psnr
from dynaxx.metrics.interval import Interval
from dynaxx.metrics.kernels import Gaussian
from dynaxx.metrics.means import mean_of
from dynaxx.metrics.mmd import mmd2
from dynaxx.metrics.spectrum import log_ratio, octaves
from dynaxx.spec.cascade import CascadeSpec
from dynaxx.spec.graph import Node
from dynaxx.spec.grid import Grid
from dynaxx.spec.stage import TRAINABLE
from dynaxx.stage.stage import Stage
from dynaxx.train.material import Material
from dynaxx.train.preview import sampled, truth_of

COUNT, LEAST = 64, 8


@final
class Validation:
    """Measures a stage on up to 64 samples: withheld ones where the data has enough of them, else ones it learns from.

    `mmd2`: distance to the truth on the built-in features, 0 for a perfect stage. `detail_db`: power of its finest
    band over the truth's. `psnr_db`, where it has inputs: nearness to the truth of each. All with 95% intervals. The
    draws are the same each time, so that what changes is the stage. Latents are measured decoded, against the data.
    """

    def __init__(
        self, spec: CascadeSpec, node: Node, material: Material, grids: Mapping[str, Grid], device: str
    ) -> None:
        self._spec, self._node, self._material, self._device = spec, node, material, device
        train = node.stage.train if isinstance(node.stage, TRAINABLE) else None
        self.of, self._rows = _chosen(material, all_known=train is not None and train.part == "all")
        self._truth = truth_of(node, material, self._rows)
        self._given = {parent: material.truth(grids[parent]).at(self._rows) for parent in node.parents}
        self._distance = _distance_to(self._truth) if len(self._rows) >= LEAST else None

    @property
    def possible(self) -> bool:
        """Whether there are samples enough, and not all alike."""
        return self._distance is not None

    def measure(self, stage: Stage, *, on_step: OnStep | None = None) -> dict[str, Any]:
        """The numbers as a line for the log."""
        node = self._node
        made = sampled(
            self._spec, {node.stage.name: stage}, self._material, self._rows, self._device,
            given=self._given, until=node.name, on_step=on_step,
        )[node.name].float().cpu()  # fmt: skip
        assert self._distance is not None
        found = {"mmd2": self._distance(made)}
        if self._truth.std() > 0:
            found["detail_db"] = log_ratio(made, self._truth, octaves(self._truth.shape[2:]))[-1].interval()
        if node.parents:
            found["psnr_db"] = mean_of(psnr(made, self._truth).clamp(max=100.0)).interval()
        ends = {f"{name}{end}": value for name, i in found.items() for end, value in _ends(i).items()}
        return {"of": self.of, "n": len(self._rows), **ends}


def _chosen(material: Material, *, all_known: bool) -> tuple[str, list[int]]:
    """Which samples: spread over the withheld ones, or, where they are few or known to the stage, over the others."""
    withheld = [] if all_known else sorted(material.groups("withheld"))
    rows = withheld if len(withheld) >= LEAST else sorted(material.groups("used"))
    count = min(COUNT, len(rows))
    return "withheld" if rows is withheld else "used", [rows[i * len(rows) // count] for i in range(count)]


def _distance_to(truth: Tensor) -> Callable[[Tensor], Interval] | None:
    """MMD^2 to the truth, on its scale; None where the truth does not vary."""
    features = Builtin()
    try:
        scale = Standard.of(features(truth))
        reference = scale(features(truth))
        kernel = Gaussian.of(reference)
    except UsageError:
        return None
    return lambda made: mmd2(scale(features(made)), reference, kernel).interval()


def _ends(interval: Interval) -> dict[str, float]:
    return {"": interval.value, "_low": interval.low, "_high": interval.high}
