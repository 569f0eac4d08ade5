"""A network's weights on disk, in diffusers' layout: `config.json` beside safetensors, no pickle."""

from __future__ import annotations

import json
import math
import tempfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dynaxx.errors import DataError
from dynaxx.store.atomic import write_bytes

CONFIG = "config.json"
WEIGHTS = "diffusion_pytorch_model.safetensors"
SHOWN = 3
"""How many names an error lists."""


def save_network(network: nn.Module, folder: Path | str) -> None:
    """Write the network's configuration and weights into `folder`, which is made where it is missing."""
    from diffusers.models.modeling_utils import ModelMixin

    assert isinstance(network, ModelMixin)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".part-") as aside:
        network.save_pretrained(aside, safe_serialization=True, max_shard_size="1000GB")
        for name in (WEIGHTS, CONFIG):
            write_bytes(folder / name, (Path(aside) / name).read_bytes())


def load_network(folder: Path | str) -> nn.Module:
    """Read a network of ours or of diffusers, in evaluation mode on the CPU.

    Raises:
        DataError: if a file is missing, cut short, or does not fit the configuration.
    """
    folder = Path(folder)
    network = _built(folder / CONFIG)
    _fill(network, folder / WEIGHTS)
    return network.eval()


def load_weights(network: nn.Module, folder: Path | str) -> None:
    """Read a folder's weights into a network that already stands.

    Raises:
        DataError: if the file is missing, cut short, or does not fit the network.
    """
    _fill(network, Path(folder) / WEIGHTS)


def map_weights(network: nn.Module, folder: Path | str) -> None:
    """Let a network that has no memory of its own stand on a folder's file, which is mapped and not copied.

    A file in another number format than the network's is read into its own: the network computes as it does elsewhere.

    Raises:
        DataError: if the file is missing, cut short, or does not fit the network.
    """
    path = Path(folder) / WEIGHTS
    state = _state(path)
    _refuse_misfit(path, state, network)
    wanted = network.state_dict()
    network.load_state_dict({name: x.to(wanted[name].dtype) for name, x in state.items()}, assign=True)


def tensors_bytes(path: Path, *, item_bytes: int | None = None) -> int:
    """What a file's tensors take in memory, as numbers of `item_bytes` or as they are; its header alone is read.

    Raises:
        DataError: if the header is cut short or damaged.
    """
    try:
        with path.open("rb") as opened:
            header = json.loads(opened.read(int.from_bytes(opened.read(8), "little")))
        told = [entry for name, entry in header.items() if name != "__metadata__"]
        if item_bytes is not None:
            return sum(math.prod(entry["shape"]) * item_bytes for entry in told)
        return sum(end - begin for begin, end in (entry["data_offsets"] for entry in told))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, MemoryError) as error:
        raise DataError(str(path), f"is cut short or damaged ({error}).", "Copy it again.") from error


def _built(path: Path) -> nn.Module:
    config = _config(path)
    name = str(config.get("_class_name"))
    try:
        return _class(name).from_config(config)
    except (TypeError, ValueError, RuntimeError) as error:
        raise DataError(str(path), f"cannot be built ({error}).", "Save the stage again.") from error


def _config(path: Path) -> dict[str, Any]:
    try:
        config = json.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        fix = "Give a stage's folder, as `save_network` or diffusers writes it."
        raise DataError(str(path), "is missing.", fix) from error
    except (OSError, ValueError) as error:
        raise DataError(str(path), f"cannot be read ({error}).", "Save the stage again.") from error
    if not isinstance(config, dict) or "_class_name" not in config:
        raise DataError(str(path), "names no network (`_class_name`).", "Save the stage again.")
    return config


def _class(name: str) -> Any:
    from dynaxx.stage.foreign import model_class
    from dynaxx.stage.unet import CascadeUNet

    return CascadeUNet if name == CascadeUNet.__name__ else model_class(name)


def _fill(network: nn.Module, path: Path) -> None:
    state = _state(path)
    _refuse_misfit(path, state, network)
    network.load_state_dict(state)


def _refuse_misfit(path: Path, state: dict[str, Tensor], network: nn.Module) -> None:
    wanted = network.state_dict()
    for kind, names in _differences(state, wanted).items():
        if names:
            shown = ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")
            fix = "Use the weights that were saved with this configuration."
            raise DataError(str(path), f"does not fit its network: {len(names)} {kind} ({shown}).", fix)


def _state(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if not path.is_file():
        raise DataError(str(path), "is missing.", "Train the stage, or copy its weights here.")
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise DataError(str(path), f"is cut short or damaged ({error}).", "Copy it again.") from error


def _differences(state: dict[str, Tensor], wanted: dict[str, Tensor]) -> dict[str, list[str]]:
    return {
        "missing": sorted(wanted.keys() - state.keys()),
        "unknown": sorted(state.keys() - wanted.keys()),
        "of another shape": sorted(n for n in wanted.keys() & state.keys() if state[n].shape != wanted[n].shape),
        "not finite": sorted(n for n, value in state.items() if not torch.isfinite(value).all()),
    }
