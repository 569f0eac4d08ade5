"""A walk of ours never waits for a device: no number is read back, and nothing is copied to it from step to step.

On a machine without a GPU the device is torch's `meta`, from which a number read back is an error, and to which what is
copied is seen; and the one in software, which counts how often it is waited for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from dynaxx.engine.edges import carry
from dynaxx.noise.denoiser import Input
from dynaxx.signal.random import Draws
from dynaxx.spec.files import parse
from dynaxx.spec.graph import nodes
from dynaxx.stage.build import build_stages
from dynaxx.stage.condition import Condition
from dynaxx.stage.stage import Request, Stage
from soft_device.module import Soft

READS = ("_local_scalar_dense", "nonzero", "is_nonzero", "equal", "item")
"""What waits for a number, or for how many there are."""
NET = {"kind": "unet", "width": 16, "mults": [1, 2], "blocks": 1, "attention": [1]}


class Dispatched(TorchDispatchMode):
    """Takes down operations that wait for a device, or copy between it and the machine."""

    def __init__(self, seen: list[str]) -> None:
        super().__init__()
        self.seen = seen

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found, name = func(*args, **(kwargs or {})), func.overloadpacket.__name__
        places = {x.device.type for x in tree_leaves([args, found]) if isinstance(x, Tensor)}
        if name in READS or (name in ("_to_copy", "copy_") and len(places) > 1):
            self.seen.append(name)
        return found


class Made(TorchFunctionMode):
    """Takes down tensors of numbers that are made on a device: they are made on the machine, and copied."""

    def __init__(self, seen: list[str]) -> None:
        super().__init__()
        self.seen = seen

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        if func in (torch.tensor, torch.as_tensor) and found.device.type != "cpu" != device_of(args[0]):
            self.seen.append("tensor")
        return found


def device_of(data: Any) -> str:
    return data.device.type if isinstance(data, Tensor) else "nowhere"


@contextmanager
def waits() -> Iterator[list[str]]:
    """What a block of code waits for, by name."""
    seen: list[str] = []
    with Made(seen), Dispatched(seen):
        yield seen


def test_what_waits_is_seen() -> None:
    with waits() as seen:
        float(torch.ones(1))
        torch.ones(2).nonzero()
        torch.tensor([1.0], device="meta")
        torch.tensor([1.0]).to("meta")
        torch.zeros(2, device="meta").copy_(torch.zeros(2))
        torch.zeros(2).to(torch.float64)
        torch.full((2,), 1.0, device="meta").new_zeros(2)
    assert seen == ["_local_scalar_dense", "nonzero", "tensor", "_to_copy", "copy_"]


BASE: dict[str, Any] = {"name": "s", "role": "base", "network": NET, "out": {"size": [8, 8]}}
NOISE = {"train_std": [0, 0.5], "std": 0.2}
WALKS: dict[str, dict[str, Any]] = {
    **{kind: BASE | {"solver": {"kind": kind, "steps": 4}} for kind in ("ddim", "heun", "dpmpp-2m", "ancestral")},
    "guided": BASE | {"solver": {"steps": 4, "guidance": {"scale": 3, "interval": [0.2, 2]}, "clip": "dynamic"}},
    "unguided": BASE | {"solver": {"steps": 4, "guidance": 0, "clip": "static"}},
    "karras": BASE | {"process": {"kind": "karras"}, "solver": {"steps": 4, "spacing": "logsnr"}},
    "ddpm-linear": BASE | {"process": {"kind": "ddpm-linear"}, "solver": {"steps": 4, "guidance": 2}},
    "flow": BASE | {"process": {"kind": "flow"}, "prediction": "u", "solver": {"steps": 4}},
    "bridge": BASE | {"role": "bridge", "inputs": {"low": {"from": "input.low", "noise": NOISE}}, "out": {"scale": 2}},
    "redrawn": BASE
    | {
        "role": "bridge", "inputs": {"low": {"from": "input.low", "noise": NOISE | {"redraw": "step"}}},
        "out": {"scale": 2}, "solver": {"steps": 4, "guidance": 3},
    },
    "truncated": BASE
    | {
        "role": "refine", "process": {"kind": "truncated", "start": 0.1}, "solver": {"kind": "ancestral", "steps": 4},
        "inputs": {"low": {"from": "input.low", "noise": NOISE}}, "out": {"scale": 2},
    },
    "pretrained": BASE
    | {
        "network": {"kind": "diffusers", "load": "unet", "timesteps": {"kind": "linear"}}, "prediction": "eps",
        "solver": {"steps": 4, "guidance": 2},
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("networks")
    diffusers.UNet2DModel(
        sample_size=8, in_channels=3, out_channels=3, layers_per_block=1, block_out_channels=(32, 32),
        down_block_types=("DownBlock2D", "AttnDownBlock2D"), up_block_types=("AttnUpBlock2D", "UpBlock2D"),
        num_class_embeds=5,
    ).save_pretrained(folder / "unet")  # fmt: skip
    return folder


def walk(stage: dict[str, Any], root: Path, device: str) -> Callable[[], Tensor]:
    """A stage with random weights on a device, and what walks it for two samples with prompts and labels."""
    more = {"inputs": {"low": {"size": [8, 8]}}} if "inputs" in stage else {}
    text = {} if "load" in stage["network"] else {"text": {"encoder": "words", "width": 16, "max_tokens": 4}}
    spec = parse({"name": "x", "condition": {"label": {"classes": 4}} | text, "stages": [stage], **more})
    graph = nodes(spec)
    live: Stage = build_stages(spec, graph, root=root, fresh="load" not in stage["network"])["s"]
    live.to(torch.device(device))
    draws, (node,) = Draws(1, "s", (0, 7)), graph
    condition = Condition(
        ("a", ""), labels=torch.tensor([1, -1]),
        **({"tokens": torch.randn(2, 4, 16), "mask": torch.tensor([[True] * 4, [False] * 4])} if text else {}),
    ).to(torch.device(device))  # fmt: skip
    low = torch.zeros(2, 3, 8, 8, device=device)
    inputs: dict[str, Input] = {
        name: carry(given.edge, [low], given.high.size, draws) for name, given in node.inputs.items()
    }
    request = Request(
        spec=node.stage, grid=node.grid, inputs=inputs, draws=draws, device=torch.device(device), condition=condition,
        on_step=lambda step: None,
    )  # fmt: skip
    return lambda: live.run(request)


@pytest.mark.parametrize("name", WALKS)
def test_a_walk_waits_for_nothing(root: Path, name: str) -> None:
    run = walk(WALKS[name], root, "meta")
    run()  # what is kept for all walks is brought by the first
    with waits() as seen:
        found = run()
    assert seen == []
    assert found.device.type == "meta"


@pytest.mark.parametrize("name", WALKS)
def test_the_machine_waits_for_no_device_in_a_walk(root: Path, soft_device: Soft, name: str) -> None:
    run = walk(WALKS[name], root, "soft")
    run()
    waited = soft_device.waits()
    found = run()
    assert soft_device.waits() == waited
    assert found.isfinite().all()


@contextmanager
def strict() -> Iterator[None]:
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.gpu
@pytest.mark.parametrize("name", WALKS)
def test_on_a_gpu_a_walk_waits_for_nothing(root: Path, name: str) -> None:
    run = walk(WALKS[name], root, "cuda")
    run()
    with strict():
        found = run()
    assert found.isfinite().all()
