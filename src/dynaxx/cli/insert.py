"""`dynaxx plan --insert`: one more bridge, where, why, and what it costs."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dynaxx.cli.answer import Answer
from dynaxx.cli.interrupt import loading
from dynaxx.cli.quantity import amount, lasting, size_of
from dynaxx.cli.table import table
from dynaxx.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from dynaxx.plan.propose.insert import Insertion
    from dynaxx.spec.cascade import CascadeSpec


def answer(file: str, size: tuple[int, ...] | None, device: str, out: Path | None) -> Answer:
    """Propose, plan both cascades, write the longer one where a file is named.

    Raises:
        UsageError: if that file is there already.
        SpecError: where no stage jumps far enough.
    """
    with loading():
        from dynaxx.plan.propose.insert import insert
        from dynaxx.plan.table import Question, answer_for
        from dynaxx.spec.bundled import resolve
        from dynaxx.spec.files import dump, load
        from dynaxx.store.atomic import write_text

    if out is not None and out.exists():
        raise UsageError(str(out), "is there already.", "Choose another name, or remove it.")
    place = resolve(file)
    spec = load(place)
    found = insert(spec, size=size)
    question = Question(file, size=size, device=device)
    before, after = (answer_for(one, question, root=place.parent) for one in (spec, found.spec))
    longer = found.spec if out is None else _moved(found, place.parent, out)
    if out is not None:
        write_text(out, dump(longer))
    data = {
        "inserted": found.name, "after": found.after, "before": found.before,
        "reasons": [asdict(reason) for reason in found.reasons], "now": _takes(before), "then": _takes(after),
        "file": None if out is None else str(out), "cascade": dump(longer),
    }  # fmt: skip
    return Answer(data, lambda console: _show(data, console))


def _moved(found: Insertion, root: Path, out: Path) -> CascadeSpec:
    """The longer cascade for a file that lies elsewhere; what has to be trained names no weights."""
    from dynaxx.evolve.changed import placed

    fresh = (found.name, found.before)
    there = placed(found.spec, root, out)
    stages = tuple(s.model_copy(update={"weights": None}) if s.name in fresh else s for s in there.stages)
    return there.model_copy(update={"stages": stages})


def _takes(plan: dict[str, Any]) -> dict[str, Any]:
    """Of one sample, and of training."""
    flops = sum(node["flops"] for node in plan["nodes"])
    return {
        "flops": flops, "peak_bytes": plan["run"]["peak_bytes"], "latency_s": plan["run"]["latency_s"],
        "grids": [node["grid"] for node in plan["nodes"]], "train_s": plan["train"]["train_s"],
    }  # fmt: skip


def _show(data: dict[str, Any], console: Console) -> None:
    table(console, ("choice", "why", "source"), [(r["choice"], r["why"], r["source"]) for r in data["reasons"]])
    heads = ("", "grids", "FLOPs a sample", "peak", "time", "training")
    table(console, heads, [_row(name, data[name]) for name in ("now", "then")])
    if data["file"]:
        console.print(f"{data['file']}: look at it with dynaxx check, train it with dynaxx train.", markup=False)


def _row(name: str, takes: dict[str, Any]) -> tuple[str, ...]:
    return (
        name, " ".join(takes["grids"]), amount(takes["flops"]), size_of(takes["peak_bytes"]),
        lasting(takes["latency_s"]), lasting(takes["train_s"]),
    )  # fmt: skip
