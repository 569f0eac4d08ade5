"""`dynaxx train`: train a cascade, stage by stage, or write a first cascade file for a folder of pictures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from dynaxx.cli.answer import Answer, notes
from dynaxx.cli.options import Download, Json, On, parse_settings
from dynaxx.cli.progress import training_bar
from dynaxx.errors import RunError, StoppedError, UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from dynaxx.spec.cascade import CascadeSpec
    from dynaxx.train.run import Trained


def train(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A cascade file; with --init-spec the one to write.")],
    data: Annotated[
        Path | None, typer.Option(metavar="DIR", help="A folder of pictures or arrays, in place of the file's data.")
    ] = None,
    out: Annotated[Path, typer.Option(metavar="RUN", help="The cascade folder to write.")] = Path("out/train"),
    stage: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Train this stage only; several times for several.")
    ] = None,
    steps: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Steps for every stage that is trained.")
    ] = None,
    set: Annotated[
        list[str] | None, typer.Option(metavar="PATH=VALUE", help="A setting: base.train.batch_size=32.")
    ] = None,
    init_spec: Annotated[
        bool, typer.Option("--init-spec", help="Only write FILE: a first cascade for the pictures in --data.")
    ] = False,
    save_every: Annotated[int, typer.Option(min=1, metavar="N", help="Steps between checkpoints.")] = 1000,
    preview_every: Annotated[
        int, typer.Option(min=1, metavar="N", help="Steps between sample grids and validations.")
    ] = 1000,
    report_to: Annotated[
        Literal["tensorboard", "trackio"] | None, typer.Option(help="An experiment tracker beside log.jsonl.")
    ] = None,
    device: On = None,
    download: Download = False,
    as_json: Json = False,
) -> Answer:
    """Train a cascade into a folder. The same command again goes on where it was stopped."""
    if init_spec:
        return _init(Path(file), data)

    from dynaxx.spec.bundled import resolve
    from dynaxx.spec.files import load
    from dynaxx.train import Every
    from dynaxx.train import train as run

    place = resolve(file)
    spec = _with_settings(load(place), data, stage, steps, parse_settings(set or ()))
    console = notes()
    with _charted(spec, out), training_bar() as on_step:
        trained = run(
            spec, out=out, root=place.parent, stages=stage, device=device, allow_download=download,
            on_step=on_step,
            every=Every(save=save_every, preview=preview_every), report_to=report_to,
            on_note=lambda text: console.print(text, markup=False, highlight=False, soft_wrap=True),
        )  # fmt: skip
    return Answer(trained.to_json(), lambda page: _show(trained, page))


@contextmanager
def _charted(spec: CascadeSpec, out: Path) -> Iterator[None]:
    """Write the page of curves when the training ends or is stopped; a disk that has no room for it is no matter."""
    from dynaxx.share.training_page import write_training_page

    stages = [stage.name for stage in spec.stages]
    try:
        yield
    except StoppedError:
        with suppress(OSError, RunError):
            write_training_page(out, stages, name=spec.name)
        raise
    with suppress(OSError, RunError):
        write_training_page(out, stages, name=spec.name)


def _with_settings(
    spec: CascadeSpec, data: Path | None, stages: list[str] | None, steps: int | None, settings: Mapping[str, Any]
) -> CascadeSpec:
    from dynaxx.spec.override import override

    changes: dict[str, Any] = {}
    if data is not None:
        kind = _kind(data)
        same = spec.data is not None and spec.data.kind == kind
        path = str(data.expanduser().absolute())
        changes |= {"data.path": path} if same else {"data": {"kind": kind, "path": path}}
    if steps is not None:
        known = [stage.name for stage in spec.stages if hasattr(stage, "train")]
        changes |= {f"{name}.train.steps": steps for name in stages or known if name in known}
    return override(spec, {**changes, **settings}) if changes or settings else spec


def _kind(data: Path) -> str:
    """Which kind of data a folder holds: arrays, or pictures."""
    arrays = data.suffix in (".npy", ".npz") or any(data.glob("*.np[yz]"))
    return "fields" if arrays else "folder"


def _init(file: Path, data: Path | None) -> Answer:
    import os

    from dynaxx.spec.files import dump
    from dynaxx.store.atomic import write_text
    from dynaxx.train.starter import starter

    if data is None:
        raise UsageError("--init-spec", "needs the pictures to look at.", "Name their folder: --data DIR.")
    if file.exists():
        raise UsageError(str(file), "is there already.", "Choose another name, or remove it.")
    spec = starter(str(data.expanduser().absolute()))
    assert spec.data is not None
    path = Path(os.path.relpath(data.expanduser().resolve(), file.parent.resolve())).as_posix()
    spec = spec.model_copy(update={"data": spec.data.model_copy(update={"path": path})})
    write_text(file, dump(spec))
    sizes = " -> ".join("x".join(map(str, node.grid.size)) for node in _nodes(spec))
    found = {"file": str(file), "sizes": [list(node.grid.size) for node in _nodes(spec)]}
    line = f"{file}: {sizes}. Train it: dynaxx train {file} --out out/mine"
    return Answer(found, lambda console: console.print(line, markup=False))


def _nodes(spec: CascadeSpec) -> Any:
    from dynaxx.spec.graph import nodes

    return nodes(spec)


def _show(trained: Trained, console: Console) -> None:
    for name, made in trained.stages.items():
        before = " (before)" if name in trained.skipped else ""
        console.print(f"{name:>10}  {made['steps']} steps, {made['images']} images{before}", markup=False)
    if trained.complete:
        console.print(f"Curves: {trained.folder / 'training' / 'index.html'}", markup=False)
        console.print(f"{trained.folder}. Draw from it: dynaxx sample {trained.folder}", markup=False)
    else:
        console.print(f"{trained.folder}. Some stages are not trained yet.", markup=False)
