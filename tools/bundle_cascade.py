"""Put a trained cascade among those that travel with the package: weights in half precision, without its training.

    python tools/bundle_cascade.py RUN [--to FOLDER]

The card (`README.md`) that lies there already is left as it is.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from safetensors.torch import load_file, save_file

from dynaxx.engine.cascade import Cascade
from dynaxx.engine.folder import LINEAGE
from dynaxx.spec.bundled import FILE_NAME
from dynaxx.stage.vocabulary import FILE_NAME as VOCABULARY
from dynaxx.stage.weights import CONFIG, WEIGHTS

PLACE = Path(__file__).parents[1] / "src" / "dynaxx" / "bundled"
KEPT = CONFIG, "contract.json", LINEAGE


def bundle(run: Path, target: Path) -> int:
    """Copy the cascade; give the bytes of its weights."""
    spec = Cascade.from_pretrained(run).spec  # loads, so it is whole
    size = 0
    for stage in spec.stages:
        source, place = run / "stages" / stage.name, target / "stages" / stage.name
        place.mkdir(parents=True, exist_ok=True)
        for name in KEPT:
            shutil.copyfile(source / name, place / name)
        half = {key: value.half() for key, value in load_file(source / WEIGHTS).items()}
        save_file(half, place / WEIGHTS, metadata={"format": "pt"})
        size += (place / WEIGHTS).stat().st_size
    for name in (VOCABULARY, FILE_NAME):
        if (run / name).is_file():
            shutil.copyfile(run / name, target / name)
    if not (target / "README.md").exists():
        shutil.copyfile(run / "README.md", target / "README.md")
    return size


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, metavar="RUN", help="a folder that was trained")
    parser.add_argument("--to", type=Path, metavar="FOLDER", help="where to put it, by default by the cascade's name")
    options = parser.parse_args()
    target = options.to or PLACE / Cascade.from_pretrained(options.run).spec.name
    print(f"{target}: {bundle(options.run, target) / 2**20:.1f} MiB of weights")


if __name__ == "__main__":
    main()
