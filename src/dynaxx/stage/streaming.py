"""A network's weights brought to a device block by block, by diffusers' group offloading; and only followed there."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import nn

from dynaxx.signal.device import has_streams, working_on

HOOKS = ("group_offloading", "layer_execution_tracker", "lazy_prefetch_group_offloading")
"""What diffusers calls the hooks that it puts on modules."""
OnMove = Callable[[Sequence[int], int], None]
"""Called with the bytes of each tensor of a block, and 1 where it comes to the device, -1 where it leaves."""


def streams(network: nn.Module) -> bool:
    """Whether a network can be brought block by block."""
    return bool(getattr(network, "_supports_group_offloading", False))


def stream_blocks(network: Any, device: torch.device) -> None:
    """Bring each block to `device` when it is called, and take it away after; what is in no block comes with the call.

    On a GPU the next block comes meanwhile, from the second evaluation on: two are there at once.
    """
    with working_on(device):  # diffusers makes its stream on the device that is worked on
        network.enable_group_offload(
            onload_device=device, offload_device=torch.device("cpu"), offload_type="block_level",
            num_blocks_per_group=1, use_stream=has_streams(device),
        )  # fmt: skip


def stream_layers(module: nn.Module, device: torch.device) -> None:
    """Bring each layer of any module, an encoder's too, to `device` when it is called, and take it away after."""
    from diffusers.hooks import apply_group_offloading

    with working_on(device):
        apply_group_offloading(
            module, onload_device=device, offload_device=torch.device("cpu"), offload_type="leaf_level",
            use_stream=has_streams(device), low_cpu_mem_usage=has_streams(device),
        )  # fmt: skip


@contextmanager
def begun_anew(networks: Collection[nn.Module], device: torch.device) -> Iterator[None]:
    """Have blocks come from the beginning again after a call that was left half-way, for memory or by Ctrl-C.

    Those that it had called lie on the device still, and diffusers would take up their order where it stopped.
    """
    try:
        yield
    except BaseException:
        for network in networks:
            for group in groups_of(network):
                if group.stream is not None:
                    group.stream.synchronize()
                group.offload_()
            stop_streaming(network)
            stream_blocks(network, device)
        raise


def stop_streaming(network: nn.Module) -> None:
    """Leave the network as it was, its weights where they are, and let go of the copies that blocks came from.

    Hooks lie in circles, so that those would stay until Python's collector comes.
    """
    from diffusers.hooks import HookRegistry

    for group in groups_of(network):
        for held in (group.cpu_param_dict, group.parameters, group.buffers):
            held.clear()
    registry = HookRegistry.check_if_exists_or_initialize(network)
    for name in HOOKS:
        registry.remove_hook(name, recurse=True)


def follow_blocks(network: Any, on_move: OnMove) -> None:
    """Have a network on the meta device tell which blocks would be on a GPU, by the very hooks that bring them there.

    Blocks come ahead from the second evaluation on, as on a GPU.
    """
    from diffusers.hooks import HookRegistry
    from diffusers.hooks.group_offloading import LazyPrefetchGroupOffloadingHook

    network.enable_group_offload(
        onload_device=torch.device("cpu"), offload_device=torch.device("meta"), offload_type="block_level",
        num_blocks_per_group=1,
    )  # fmt: skip
    for group in groups_of(network):
        sizes = _sizes(group)
        group.onload_, group.offload_ = partial(on_move, sizes, 1), partial(on_move, sizes, -1)
        group.onload_device, group.offload_device = torch.device("meta"), torch.device("cpu")
    ahead: Any = LazyPrefetchGroupOffloadingHook()
    HookRegistry.check_if_exists_or_initialize(network).register_hook(ahead, HOOKS[2])


def groups_of(network: nn.Module) -> Iterator[Any]:
    """The groups of tensors that move together, each once."""
    hooks = [module._diffusers_hook.get_hook(HOOKS[0]) for module in network.modules() if _is_hooked(module)]  # type: ignore[union-attr, operator]
    yield from {id(hook.group): hook.group for hook in hooks if hook is not None}.values()


def _is_hooked(module: nn.Module) -> bool:
    return hasattr(module, "_diffusers_hook")


def _sizes(group: Any) -> list[int]:
    held = [x for module in group.modules for x in (*module.parameters(), *module.buffers())]
    return [x.numel() * x.itemsize for x in {id(x): x for x in (*held, *group.parameters, *group.buffers)}.values()]
