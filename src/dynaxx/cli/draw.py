"""What `dynaxx sample` does: see that all of it can be done, then draw and write."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from dynaxx.cli.cap import said_of_cap
from dynaxx.cli.given import files_of, name_given, read_field, read_given
from dynaxx.cli.options import Devices
from dynaxx.engine.afford import afford, out_of_memory
from dynaxx.engine.cascade import Cascade
from dynaxx.engine.observe import observe
from dynaxx.engine.run import OnStep
from dynaxx.engine.runtime import Runtime
from dynaxx.engine.select import names_to_keep, select, to_decode
from dynaxx.share.files import Written, write_samples
from dynaxx.share.save import check_free
from dynaxx.spec.bundled import resolve
from dynaxx.spec.files import load
from dynaxx.spec.graph import nodes
from dynaxx.spec.override import override, tile_settings


@dataclass(frozen=True)
class Order:
    """The command's options, read: `low` is the file for `from_stage`, `named` are those for the user's inputs."""

    run: str
    prompts: tuple[str, ...]
    labels: tuple[int, ...]
    num: int
    seed: int
    out: Path
    keep: bool
    from_stage: str | None
    until: str | None
    low: Path | None
    named: Mapping[str, Path]
    field: Path | None
    size: tuple[int, ...] | None
    settings: Mapping[str, str]
    batch: int
    decode: bool
    memory_cap: int | None = None
    probe: bool = False
    tile: int | None = None
    levers: tuple[str, ...] = ()
    spread: Devices = None
    device: str | None = None
    download: bool = False

    @property
    def count(self) -> int:
        """How many samples are asked for."""
        return self.num * max(len(self.prompts), len(self.labels), 1)


def draw(order: Order, on_step: OnStep | None, on_note: Callable[[str], None]) -> Written:
    """Draw the samples and write them; whatever can be refused is refused before weights are read or files written.

    Raises:
        DynaxxError: of the kind that says what cannot be.
    """
    file = resolve(order.run)
    runtime = Runtime(
        device=order.device,
        allow_download=order.download,
        batch_size=order.batch,
        probe=order.probe,
        size=order.size,
        memory_cap=order.memory_cap,
        levers=order.levers,
        spread=order.spread,
    )
    spec = load(file)
    settings = {**tile_settings(spec, order.tile, order.size), **order.settings}
    graph = nodes(override(spec, settings), size=order.size)
    files = name_given(spec, graph, from_stage=order.from_stage, low=order.low, named=order.named)
    chosen = select(graph, files, order.until)
    keep = names_to_keep(chosen, order.keep)
    decode = to_decode(chosen, keep) if order.decode else ()
    afford(chosen, order.count, batch_size=order.batch, keep=keep, decode=decode, device=runtime.gathers)
    given, field = read_given(spec, graph, files, count=order.count, on_note=on_note), read_field(spec, order.field)
    check_free(order.out)
    with out_of_memory():
        cascade = Cascade.from_spec(spec, root=file.parent, runtime=runtime).with_settings(settings)
        if spec.condition.text and not (order.prompts or order.labels):
            on_note("No --prompt is given: samples are drawn unconditionally.")
        for note in cascade.notes(order.prompts):
            on_note(f"{note}.")
        samples = cascade.sample(
            order.prompts, labels=order.labels, field=field, num=order.num, seed=order.seed, given=given,
            until=order.until, keep=order.keep, decode=order.decode, on_step=on_step,
        )  # fmt: skip
        written = write_samples(samples, order.out, spare=[file for path in files.values() for file in files_of(path)])
    observe(cascade, samples.trace)
    if said := said_of_cap(order.memory_cap, runtime.on):
        on_note(said)
    return written
