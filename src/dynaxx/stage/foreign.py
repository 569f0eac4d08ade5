"""Any diffusers model in the place of our U-Net: configured, rehearsed, called; what it would drop is refused."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from dynaxx.errors import SpecError
from dynaxx.spec.condition import ConditionSpec
from dynaxx.spec.grid import Grid
from dynaxx.spec.network import DiffusersNetworkSpec, TimestepsSpec
from dynaxx.stage.condition import Condition
from dynaxx.stage.timesteps import timesteps_of

Backbone = Callable[[Tensor, Tensor, Tensor | None, Condition], Tensor]
"""`x (B, C_in, *size)`, `level (B,)` and `told (B, n)` in [0, 1], condition -> `(B, C, *size)`."""

TIMESTEPS = 1000.0
"""Foreign networks are given `timestep = 1000 level`, the range they were made for."""
TIME, LABEL, TEXT, TEXT_MASK = "timestep", "class_labels", "encoder_hidden_states", "encoder_attention_mask"
OWN_NONE = "num_embeds_ada_norm"
"""A number of classes that leaves out the class for `none`, which the network has of its own."""
CLASSES = ("num_class_embeds", OWN_NONE, "num_classes")
"""What diffusers models call their number of classes."""


def foreign_call(network: nn.Module, timesteps: TimestepsSpec | None = None) -> Backbone:
    """The network called with those of level, label and text that its signature names.

    A pretrained one is told levels by the table it was trained with.
    """
    to_timestep = timesteps_of(timesteps) if timesteps else lambda level: level * TIMESTEPS
    takes = inspect.signature(network.forward).parameters
    null_label = _null_label(network)

    def call(x: Tensor, level: Tensor, told: Tensor | None, condition: Condition) -> Tensor:
        given: dict[str, Any] = {TIME: to_timestep(level), "return_dict": False}
        if LABEL in takes and null_label is not None:
            labels = condition.labels if condition.labels is not None else level.new_full((len(x),), -1)
            given[LABEL] = torch.where(labels < 0, null_label, labels).long()
        if TEXT in takes and condition.tokens is not None:
            given[TEXT] = condition.tokens
            given |= {TEXT_MASK: condition.mask} if TEXT_MASK in takes else {}
        return network(x, **given)[0]

    return call


def model_class(name: str) -> type[nn.Module]:
    """A diffusers model class by name.

    Raises:
        SpecError: if diffusers has no such class, or it is no network that takes a timestep.
    """
    import diffusers

    found = getattr(diffusers, name, None)
    if not (inspect.isclass(found) and issubclass(found, nn.Module)):
        raise SpecError("network.model", f"diffusers has no network {name!r}.", "Name a class such as UNet2DModel.")
    if TIME not in inspect.signature(found.forward).parameters:
        fix = "Choose a denoising network such as UNet2DModel."
        raise SpecError("network.model", f"{name} takes no timestep, so it cannot be told a level.", fix)
    return found


def make_foreign(
    spec: DiffusersNetworkSpec, grid: Grid, in_channels: int, told: int, condition: ConditionSpec
) -> nn.Module:
    """A diffusers model with fresh weights; see `make_network`."""
    found = model_class(spec.model)
    _refuse_dropped(spec.model, found, told, condition)
    config = _configured(spec, found, grid, in_channels, condition)
    try:
        network = found(**config)
    except (TypeError, ValueError, KeyError, NotImplementedError, RuntimeError) as error:
        raise SpecError("network.config", f"{spec.model} refuses it: {_first_line(error)}.", "Change it.") from error
    _rehearse(spec.model, found, config, grid, in_channels, condition)
    return network


def _refuse_dropped(name: str, found: type[nn.Module], told: int, condition: ConditionSpec) -> None:
    takes = inspect.signature(found.forward).parameters
    ours = "use `network: {kind: unet}`"
    if told:
        fix = f"Set `told: false` on the inputs' noise and blur, or {ours}."
        raise SpecError("network.model", f"{name} cannot be told the levels of inputs ({told} here).", fix)
    if condition.text and TEXT not in takes:
        raise SpecError("network.model", f"{name} takes no text, so the prompt would be lost.", f"{ours.capitalize()}.")
    if not condition.text and TEXT in takes and takes[TEXT].default is inspect.Parameter.empty:
        fix = f"Add `text` under `condition`, or {ours}."
        raise SpecError("network.model", f"{name} needs a text condition, but there is none.", fix)
    accepts = set(inspect.signature(found.__init__).parameters) & set(CLASSES)
    if condition.label and not (LABEL in takes and accepts):
        raise SpecError("network.model", f"{name} takes no label, so it would be lost.", f"{ours.capitalize()}.")


def _configured(
    spec: DiffusersNetworkSpec, found: type[nn.Module], grid: Grid, in_channels: int, condition: ConditionSpec
) -> dict[str, Any]:
    """The user's configuration with the facts filled in that the cascade knows; contradictions are refused."""
    accepts = inspect.signature(found.__init__).parameters
    known: dict[str, Any] = {"in_channels": in_channels, "out_channels": grid.channels}
    if condition.text:
        known["cross_attention_dim"] = condition.text.width
    known = {key: value for key, value in known.items() if key in accepts}
    if condition.label or OWN_NONE in accepts:
        known |= _class_count(accepts, condition.label.classes if condition.label else 1)
    for key, value in known.items():
        if key in spec.config and spec.config[key] != value:
            problem = f"is {spec.config[key]!r}, but the cascade needs {value!r}."
            raise SpecError(f"network.config.{key}", problem, "Leave it out.")
    size = grid.size[-1] if len(set(grid.size)) == 1 else grid.size
    sized = {"sample_size": size} if "sample_size" in accepts else {}
    return {**sized, **spec.config, **known}


def _class_count(accepts: Any, classes: int) -> dict[str, int]:
    """The number of classes, one more where the network has no class for `none` of its own."""
    name = next((key for key in CLASSES if key in accepts), None)
    if name is None:
        return {}
    return {name: classes if name == OWN_NONE else classes + 1}


def _null_label(network: nn.Module) -> int | None:
    """The index that stands for no label, or None where the network knows no labels."""
    config = getattr(network, "config", {})
    if config.get(OWN_NONE):
        return int(config[OWN_NONE])
    count = next((config[key] for key in CLASSES if config.get(key)), None)
    return None if count is None else int(count) - 1


def _rehearse(
    name: str, found: type[nn.Module], config: dict[str, Any], grid: Grid, in_channels: int, condition: ConditionSpec
) -> None:
    """One call without memory or arithmetic (on the meta device): do the shapes fit?"""
    with torch.device("meta"):
        network = found(**config).eval()
        x, level = torch.zeros(2, in_channels, *grid.size), torch.zeros(2)
        width, labels = condition.text.width if condition.text else 0, torch.zeros(2, dtype=torch.int64)
        asked = Condition(
            ("", ""), tokens=torch.zeros(2, 4, width) if width else None,
            mask=torch.ones(2, 4, dtype=torch.bool) if width else None, labels=labels if condition.label else None,
        )  # fmt: skip
        try:
            shape = tuple(foreign_call(network)(x, level, None, asked).shape)
        except (TypeError, ValueError, RuntimeError, IndexError, AttributeError) as error:
            problem = f"{name} cannot work on {grid}: {_first_line(error)}."
            raise SpecError("network", problem, "Change the grid or network.config.") from error
    if shape != (2, *grid.shape):
        got = "x".join(map(str, shape[1:]))
        raise SpecError("network", f"{name} answers {got} on {grid}.", "Change the grid or network.config.")


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0].rstrip(".") if str(error).strip() else type(error).__name__
