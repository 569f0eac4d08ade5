"""The one executor: it carries out the plan's events for linear, parallel and recursive cascades alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, final

import torch
from torch import Tensor

from dynaxx.engine.batches import Batches
from dynaxx.engine.edges import bare, carry
from dynaxx.engine.move import encode_first, move, moved_bytes
from dynaxx.engine.samples import Samples
from dynaxx.engine.spaces import bring, entering
from dynaxx.engine.tiles import run_tiled
from dynaxx.engine.trace import NodeRecord, Trace
from dynaxx.errors import RunError
from dynaxx.noise.denoiser import Input
from dynaxx.noise.solve.step import Step
from dynaxx.plan.events import Event
from dynaxx.plan.tiles import tiles_of
from dynaxx.signal.device import apart, synchronize_computed
from dynaxx.signal.random import Draws
from dynaxx.spec.graph import Node
from dynaxx.spec.grid import PIXELS
from dynaxx.spec.stage import DenoisingStage, PipelineStage
from dynaxx.stage.codecs import Codecs
from dynaxx.stage.condition import Condition
from dynaxx.stage.faults import device_errors
from dynaxx.stage.memory import ran_out
from dynaxx.stage.stage import Request, Stage

OnStep = Callable[[str, Step], None]
"""Called with the node's name and each of its steps."""


@final
@dataclass
class Run:
    """One run over a batch of samples: the state between events.

    `outputs` holds what nodes have answered and nobody has released, `decoded` the latents among them as what they
    stand for; `inputs` what nodes in `keep` were given.
    Batches are stage-major: all samples pass a node, at most `batch_size` at a time, before the next node starts;
    `batches` says how many for each node (another pass of a stage has another grid), and keeps what probing found.
    """

    nodes: Mapping[str, Node]
    stages: Mapping[str, Stage]
    draws: Draws
    encode: Callable[[], Condition]
    trace: Trace
    device: torch.device
    dtype: torch.dtype = torch.float32
    batch_size: int = 64
    memory_cap: int | None = None
    levers: tuple[str, ...] = ()
    probe: bool = False
    batches: dict[str, Batches] = field(default_factory=dict)
    keep: frozenset[str] = frozenset()
    on_step: OnStep | None = None
    codecs: Codecs = field(default_factory=lambda: Codecs({}))
    outputs: dict[str, Tensor] = field(default_factory=dict)
    decoded: dict[str, Tensor] = field(default_factory=dict)
    inputs: dict[str, dict[str, list[Tensor]]] = field(default_factory=dict)
    condition: Condition | None = None
    ahead: str = ""

    def execute(self, event: Event) -> None:
        """Carry out one event and note its time."""
        with self.trace.event(str(event), self._moved(event)):
            match event.kind:
                case "encode":
                    self.condition = self.encode().to(self.device)
                    asked = dict.fromkeys(node.stage.name for node in self.nodes.values())
                    encode_first(self.stages, asked, self.device, self.condition)
                case "fetch" | "stream" | "ahead" | "evict":
                    stage = self.stages[event.name]
                    move(event.kind, stage, self.device, self.condition, cap_bytes=self.memory_cap)
                    self.ahead = event.name if event.kind == "ahead" else ""
                case "fetch-codec":
                    self.codecs.of(event.name).to(self.device)
                case "evict-codec":
                    self.codecs.of(event.name).to(torch.device("cpu"))
                case "decode":
                    codec = self.codecs.of(self.nodes[event.name].grid.space)
                    self.decoded[event.name] = codec.decode(self.outputs[event.name])
                case "release":
                    del self.outputs[event.name]
                case "run":
                    self._run(self.nodes[event.name])

    def _moved(self, event: Event) -> int | None:
        """The bytes of the weights that an event is about."""
        stage = self.stages.get(event.name) if event.kind in ("fetch", "stream", "ahead", "evict") else None
        return moved_bytes(event.kind, stage, self.device) if stage is not None else None

    def _run(self, node: Node) -> None:
        total = len(self.draws.ids)
        record = self.record(node)
        with self.trace.node(record):
            self.outputs[node.name] = torch.cat(list(self._parts(node, total, record)))

    def record(self, node: Node) -> NodeRecord:
        """What is known of a node's run before it begins."""
        total = len(self.draws.ids)
        edges = {name: given.edge for name, given in node.inputs.items()}
        std = {name: std for name, edge in edges.items() if (std := edge.level) is not None}
        blur = {name: edge.blur_std for name, edge in edges.items() if edge.blur}
        steps = node.stage.solver.steps if isinstance(node.stage, DenoisingStage) else None
        size = min(self.batch_size, total)
        return NodeRecord(
            node.name, node.stage.name, str(node.grid), total, size, steps, std, blur, node.grid.space,
            input_spaces={name: node.grid.space for name in node.inputs},
            paths={name: path for name in node.inputs if (path := node.path(name))},
        )  # fmt: skip

    def _parts(self, node: Node, total: int, record: NodeRecord) -> Iterator[Tensor]:
        """The node's answers, batch by batch; a batch that does not fit the memory is halved, and so are the others.

        Before that, weights that were begun ahead of their turn make room.
        """
        done, batches = 0, self.batches.setdefault(node.name, Batches(self.batch_size, self.probe))
        while done < total:
            part, calls = slice(done, min(done + batches.size, total)), list[Mapping[str, Any]]()
            began = time.perf_counter()
            try:
                with device_errors(node.stage.name, self.device):
                    answer = self.part(node, part, calls)
                    synchronize_computed(self.device)
            except (RuntimeError, MemoryError) as error:
                if not ran_out(error) or not (self._make_room() or batches.failed(part.stop - done)):
                    raise
                continue
            took_s = time.perf_counter() - began
            batches.took(part.stop - done, took_s)
            record.took.append((part.stop - done, took_s))
            record.calls += calls
            done = part.stop
            yield answer
        record.batch_size, record.probed = min(batches.size, total), dict(batches.tried)

    def _make_room(self) -> bool:
        """Let go of what was begun ahead, which comes again when its turn comes; False where nothing was."""
        if not self.ahead or not apart(self.device):
            return False
        name, self.ahead = self.ahead, ""
        move("evict", self.stages[name], self.device, self.condition)
        return True

    def part(self, node: Node, part: slice, calls: list[Mapping[str, Any]]) -> Tensor:
        """A node's answer for one batch; `calls` takes what foreign calls were made with.

        Raises:
            RunError: if the answer has not the shape of the node's grid.
        """
        assert self.condition is not None
        draws = Draws(self.draws.seed, node.name, self.draws.ids[part])
        inputs = {name: self._input(node, name, draws, part) for name in node.inputs}
        request = Request(
            spec=node.stage, grid=node.grid, inputs=inputs, draws=draws, device=self.device, dtype=self.dtype,
            condition=self.condition.take(part).to(self.device), stop_std=node.stop_std, on_call=calls.append,
            levers=self.levers,
            on_step=None if self.on_step is None else partial(self.on_step, node.name),
        )  # fmt: skip
        stage, tiles = self.stages[node.stage.name], tiles_of(node)
        answer = run_tiled(node, tiles, request, stage.run) if tiles else stage.run(request)
        expected = (len(draws.ids), *node.grid.shape)
        if not isinstance(answer, Tensor) or tuple(answer.shape) != expected:
            got = f"shape {tuple(answer.shape)}" if isinstance(answer, Tensor) else type(answer).__name__
            problem = f"answered with {got} where a tensor of shape {expected} is due."
            raise RunError(f"stage {node.stage.name!r}", problem, "Mend the stage's `run`, or the spec's `out`.")
        self._keep_inputs(node, inputs)
        return answer

    def _input(self, node: Node, name: str, draws: Draws, part: slice) -> Input:
        given = node.inputs[name]
        read = [self.outputs[parent][part].to(self.device) for parent in given.parents]
        mask = self.outputs[given.edge.mask][part].to(self.device) if given.edge.mask else None
        scoped = Draws(draws.seed, f"{node.name}.{name}", draws.ids)
        parents = bring(given, read, self.codecs, scoped)
        if isinstance(node.stage, PipelineStage):
            return bare(given.edge, parents, mask=mask)
        enter = entering(node, name, self.codecs, scoped)
        return carry(given.edge, parents, given.high.size, scoped, mask=mask, enter=enter)

    def _keep_inputs(self, node: Node, inputs: Mapping[str, Input]) -> None:
        if node.name in self.keep:
            kept = self.inputs.setdefault(node.name, {})
            for name, given in inputs.items():
                kept.setdefault(name, []).append(given.x)

    def kept_inputs(self) -> dict[str, dict[str, Tensor]]:
        """What the nodes in `keep` were given, by node and input, all batches together."""
        return {node: {name: torch.cat(parts) for name, parts in kept.items()} for node, kept in self.inputs.items()}

    def samples(self, last: str, prompts: tuple[str, ...]) -> Samples:
        """What the run gives back; `last` is the node whose answer was asked for."""
        kept = {name: self.outputs[name] for name in self.nodes if name in self.keep}
        decoded = {name: x for name, x in self.decoded.items() if name in self.keep}
        space = PIXELS if last in self.decoded else self.nodes[last].grid.space
        x = self.decoded.get(last, self.outputs[last])
        return Samples(x, kept, self.kept_inputs(), prompts, self.trace, decoded, space)
