"""`dynaxx check`: is this cascade file sound, and what does it say?"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dynaxx.cli.answer import Answer
from dynaxx.cli.interrupt import loading
from dynaxx.cli.options import Json, parse_size
from dynaxx.cli.table import table
from dynaxx.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from dynaxx.spec.cascade import CascadeSpec
    from dynaxx.spec.summary import NodeSummary


def check(
    file: Annotated[
        str | None, typer.Argument(metavar="FILE", help="A cascade file, a folder with one, or a bundled name.")
    ] = None,
    contracts: Annotated[bool, typer.Option("--contracts", help="Add what each stage needs and promises.")] = False,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON schema of cascade files instead.")] = False,
    level: Annotated[
        float | None,
        typer.Option(min=0, metavar="STD", help="Say this noise level in every unit of the field instead."),
    ] = None,
    size: Annotated[str | None, typer.Option(metavar="HxW", help="The base size, where the file fixes none.")] = None,
    as_json: Json = False,
) -> Answer:
    """Check a cascade file, and say what it means. Reads no weights."""
    asked = {"FILE": file is not None, "--schema": schema, "--level": level is not None}
    if sum(asked.values()) > 1:
        several = " and ".join(name for name, given in asked.items() if given)
        raise UsageError(several, "are answers of their own.", "Ask for one of them at a time.")
    if schema:
        return _schema()
    if level is not None:
        return _level(level)
    if file is None:
        raise UsageError("FILE", "is missing.", "Name a cascade file, or ask for --schema or --level STD.")

    with loading():
        from dynaxx.spec.bundled import resolve
        from dynaxx.spec.files import load

    return _cascade(load(file), resolve(file).parent, contracts=contracts, size=parse_size(size))


def _cascade(spec: CascadeSpec, root: Path, *, contracts: bool, size: tuple[int, ...] | None) -> Answer:
    import yaml

    from dynaxx.plan.checklist import checklist
    from dynaxx.plan.fit.check import absences, agreements, mismatches, refuse_mismatches
    from dynaxx.spec.summary import describe

    found = describe(spec, size=size)
    edges = agreements(spec, root, size=size)
    if not contracts:
        refuse_mismatches(spec, root, size=size)
    answers = checklist(spec, size=size, peak_gib=_peak_gib(spec, root, size))
    data: dict[str, Any] = found.to_json() | {"checklist": [asdict(answer) for answer in answers]}
    missing = absences(edges)
    data |= {"missing": missing}
    data |= {"contracts": _contracts(spec, root, size), "edges": [asdict(edge) for edge in edges]} if contracts else {}

    wrong = len(mismatches(edges))

    def show(console: Console) -> None:
        sound = "sound as far as its files are here" if missing else "sound"
        verdict = f"{wrong} mismatch{'es' * (wrong > 1)}, listed below" if wrong else sound
        console.print(f"{spec.name}: {verdict}. run_id {found.run_id}", markup=False)
        for line in missing:
            console.print(f"not here: {line}", markup=False, soft_wrap=True)
        heads = ("stage", "role", "kind", "reads", "answers on", "process", "steps", "input std")
        table(console, heads, [_row(node) for node in found.nodes])
        for name, contract in data.get("contracts", {}).items():
            console.print(f"\n{name}", style="bold")
            console.print(yaml.safe_dump(contract, sort_keys=False, default_flow_style=None).rstrip(), markup=False)
        console.print("\nquestions", style="bold")
        table(console, ("", "", ""), [(answer.verdict, answer.question, answer.reason) for answer in answers])
        if contracts and edges:
            console.print("\nedges", style="bold")
            columns = ("edge", "about", "given", "needed", "verdict", "way out")
            table(console, columns, [(e.edge, e.about, e.given, e.wanted, e.verdict, e.fix) for e in edges])

    return Answer(data, show, exit_code=2 if wrong else 0)


def _peak_gib(spec: CascadeSpec, root: Path, size: tuple[int, ...] | None) -> float | None:
    """What the plan says of one sample, where the budget asks for it."""
    if spec.budget is None or spec.budget.memory_gib is None:
        return None
    from dynaxx.plan.events import shown_at_end
    from dynaxx.plan.predict import GIB, plan_run
    from dynaxx.plan.table import exact_stages
    from dynaxx.spec.graph import nodes

    graph = nodes(spec, size=size)
    shown, build = shown_at_end(graph), exact_stages(spec, graph, root)
    run = plan_run(spec, graph, batch=1, decode=shown, build=build, root=root)
    return None if run.unknown else run.peak_bytes / GIB


def _row(node: NodeSummary) -> tuple[str, ...]:
    reads = ", ".join(node.parents) or "noise"
    levels = ", ".join(f"{name} {std:g}" for name, std in node.levels.items())
    steps = str(node.steps or ("?" if node.kind in ("pipeline", "custom") else 1))
    return node.name, node.role, node.kind, reads, node.grid_out, node.process or "-", steps, levels or "-"


def _contracts(spec: CascadeSpec, root: Path, size: tuple[int, ...] | None) -> dict[str, Any]:
    from dynaxx.spec.contract import contract_of
    from dynaxx.spec.facts import facts_of
    from dynaxx.spec.graph import nodes
    from dynaxx.spec.stage import PipelineStage

    graph = nodes(spec, size=size)
    facts = {n.name: facts_of(n.stage, root) if isinstance(n.stage, PipelineStage) else None for n in graph}
    return {node.name: contract_of(spec, node, facts[node.name]).model_dump(mode="json") for node in graph}


def _schema() -> Answer:
    import json

    from dynaxx.spec.schema import json_schema

    schema = json_schema()
    return Answer(schema, lambda console: print(json.dumps(schema, indent=2), file=console.file))


def _level(std: float) -> Answer:
    import math

    if not math.isfinite(std):
        raise UsageError("--level", f"cannot be {std:g}.", "Give a finite number, 0 or more.")

    from dynaxx.noise.units import UNITS, in_every_unit

    units = in_every_unit(std)
    beyond = {name: unit.reach for name, unit in UNITS.items() if name not in units}
    said = {name: f"{value:.6g}" for name, value in units.items()}
    said |= {name: f"out of reach: std {least:.4g} to {most:.4g}" for name, (least, most) in beyond.items()}
    rows = [(name, said[name], unit.about) for name, unit in UNITS.items()]
    finite = {name: value if math.isfinite(value) else None for name, value in units.items()}
    data = {"std": std, "units": finite, "out_of_reach": {name: list(reach) for name, reach in beyond.items()}}
    return Answer(data, lambda console: table(console, ("unit", "value", "where"), rows))
