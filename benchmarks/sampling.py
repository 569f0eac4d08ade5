"""What our sampling loop costs beside the bare network, and against a diffusers scheduler loop around the same one."""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import timing
import torch

from dynaxx.noise.told import told
from dynaxx.signal.random import Draws
from dynaxx.spec.condition import ConditionSpec
from dynaxx.spec.grid import Grid
from dynaxx.spec.network import UNetSpec
from dynaxx.spec.process import DdpmLinearProcess
from dynaxx.spec.solver import SolverSpec
from dynaxx.spec.stage import DiffusionStage
from dynaxx.stage.backbone import make_network
from dynaxx.stage.condition import encode
from dynaxx.stage.diffusion import Diffusion
from dynaxx.stage.stage import Request
from dynaxx.stage.unet import CascadeUNet

SCHEDULERS = {"ddim": "DDIMScheduler", "dpmpp-2m": "DPMSolverMultistepScheduler"}


@dataclass(frozen=True)
class Setting:
    """One measurement: a network, a batch of pictures, a solver."""

    name: str
    network: UNetSpec
    size: int
    batch: int
    steps: int
    repeats: int
    solver: str = "ddim"

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.batch, 3, self.size, self.size)


def settings(quick: bool) -> list[Setting]:
    """The network of a few million parameters at 64 x 64, and a tiny one where the loop itself counts most."""
    large = UNetSpec(width=48, mults=(1, 2, 2), attention=(2,))
    small = UNetSpec(width=16, mults=(1, 2), attention=(1,), blocks=1)
    size, batch, steps, repeats = (32, 2, 4, 3) if quick else (64, 4, 10, 9)
    return [
        Setting("", large, size, batch, steps, repeats),
        Setting("_dpmpp", large, size, batch, steps, repeats, solver="dpmpp-2m"),
        Setting("_small", small, 16, 4, 4 * steps, 3 * repeats),
    ]


def ours(setting: Setting, device: torch.device) -> tuple[Diffusion, Callable[[], torch.Tensor]]:
    """The stage and one run of it."""
    torch.manual_seed(0)
    solver = SolverSpec(kind=setting.solver, steps=setting.steps)
    spec = DiffusionStage(
        name="base", role="base", network=setting.network, process=DdpmLinearProcess(), solver=solver, prediction="eps"
    )
    grid = Grid(3, (setting.size, setting.size))
    network = make_network(setting.network, grid=grid, in_channels=3, told=0, condition=ConditionSpec()).eval()
    stage = Diffusion(spec, network, grid)
    stage.to(device)
    draws = Draws(0, "base", tuple(range(setting.batch)))
    request = Request(spec, grid, {}, encode(ConditionSpec(), count=setting.batch), draws, device)
    return stage, lambda: stage.run(request)


def bare(setting: Setting, stage: Diffusion, device: torch.device) -> Callable[[], None]:
    """As many evaluations of the network as the loop makes, and nothing else."""
    x, level = torch.randn(setting.shape, device=device), torch.full((setting.batch,), told(1.0), device=device)

    @torch.no_grad()
    def run() -> None:
        for _ in range(setting.steps):
            stage.network(x, level)

    return run


def diffusers_loop(setting: Setting, stage: Diffusion, device: torch.device) -> Callable[[], torch.Tensor]:
    """The loop of a diffusers pipeline: scheduler, timesteps, step by step, same network."""
    import diffusers

    options: dict[str, Any] = {"clip_sample": False} if setting.solver == "ddim" else {}
    scheduler = getattr(diffusers, SCHEDULERS[setting.solver])(
        num_train_timesteps=1000, beta_start=1e-4, beta_end=2e-2, beta_schedule="linear", **options
    )

    @torch.no_grad()
    def run() -> torch.Tensor:
        scheduler.set_timesteps(setting.steps, device=device)
        x = torch.randn(setting.shape, device=device) * scheduler.init_noise_sigma
        for t in scheduler.timesteps:
            eps = stage.network(scheduler.scale_model_input(x, t), (t / 1000).expand(setting.batch))
            x = scheduler.step(eps, t, x, return_dict=False)[0]
        return x

    return run


def figures(setting: Setting, times: Mapping[str, list[float]]) -> list[timing.Result]:
    """Overhead and comparison of one setting; only the large network has bars."""
    small, n = setting.network.width < 32, setting.name
    peer = timing.ratio("", times["diffusers"], times["bare"]).value
    bars = (None, None) if small else (1.03, 1.0)
    return [
        timing.ratio(f"loop_overhead{n}", times["ours"], times["bare"], target=bars[0], peer=peer),
        timing.ratio(f"time_vs_diffusers{n}", times["ours"], times["diffusers"], target=bars[1]),
        timing.median(f"run{n}", times["ours"], "s", peer=statistics.median(times["diffusers"])),
    ]


def loops(setting: Setting, device: torch.device) -> dict[str, Callable[[], object]]:
    """The three loops around one network."""
    stage, run = ours(setting, device)
    return {"bare": bare(setting, stage, device), "ours": run, "diffusers": diffusers_loop(setting, stage, device)}


def measure(setting: Setting, device: torch.device) -> list[timing.Result]:
    """Time the three loops in turn, then the loops alone, around a network that answers at once."""
    found = figures(setting, timing.alternate(loops(setting, device), setting.repeats))
    with instant_network():
        times = timing.alternate(loops(setting, device), 3 * setting.repeats)
    return [*found, alone(setting, times)]


def alone(setting: Setting, times: Mapping[str, list[float]]) -> timing.Result:
    """Microseconds of a loop's own per step."""
    per_step = {name: [1e6 * value / setting.steps for value in values] for name, values in times.items()}
    peer = statistics.median(per_step["diffusers"])
    return timing.median(f"loop_alone_per_step{setting.name}", per_step["ours"], "us", peer=peer)


@contextmanager
def instant_network() -> Iterator[None]:
    """Every network of ours answers with its input, for as long as this lasts."""
    forward = CascadeUNet.forward
    CascadeUNet.forward = lambda self, x, level, *rest: x  # type: ignore[method-assign]
    try:
        yield
    finally:
        CascadeUNet.forward = forward  # type: ignore[method-assign]


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a smoke version of at most a minute")
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line on stdout")
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    device, before = torch.device(options.device), timing.load()
    results = [result for setting in settings(options.quick) for result in measure(setting, device)]
    timing.report("sampling", timing.device_name(device), results, as_json=options.json, before=before)


if __name__ == "__main__":
    main()
