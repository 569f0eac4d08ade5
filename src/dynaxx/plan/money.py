"""What time costs: prices in a file that the user edits, and dollars for so many seconds, on demand and on spot."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, final

import yaml
from pydantic import Field, ValidationError

from dynaxx.errors import SpecError
from dynaxx.plan.time.interval import Interval
from dynaxx.spec.base import Positive, Share, Spec
from dynaxx.store.atomic import write_text
from dynaxx.store.cache import config_folder

HOUR_S = 3600.0
PUBLISHED = Path(__file__).with_name("prices.yaml")


class Price(Spec):
    """Dollars an hour for one device; on spot this share is saved, and it is interrupted every `spot_hours`.

    `restart_hours` are lost by each interruption. `watts` is what it draws under load.
    """

    usd_per_hour: Positive
    spot_saving: Share = 0.0
    spot_hours: Positive | None = None
    restart_hours: Annotated[float, Field(ge=0, le=24)] = 0.1
    watts: Positive | None = None
    source: str = ""


def price_file() -> Path:
    """Where the user's own prices are kept: `prices.yaml` in the configuration folder."""
    return config_folder("prices.yaml")


def prices(file: Path | None = None) -> dict[str, Price]:
    """Prices by device: the published ones, and the user's own before them.

    Raises:
        SpecError: if a price is no price.
    """
    own = file or price_file()
    found = _read(PUBLISHED)
    return found | (_read(own) if own.is_file() else {})


def copy_prices() -> Path:
    """Put the published prices where the user can edit them, unless there are some; say where."""
    own = price_file()
    if not own.is_file():
        own.parent.mkdir(parents=True, exist_ok=True)
        write_text(own, PUBLISHED.read_text(encoding="utf-8"))
    return own


def _read(file: Path) -> dict[str, Price]:
    try:
        rows = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise _no_prices(file, error) from error
    if not isinstance(rows, dict):
        raise _no_prices(file, "no line for each device")
    return {str(name): _price(file, name, row) for name, row in rows.items()}


def _price(file: Path, name: object, row: object) -> Price:
    try:
        return Price.model_validate(row)
    except ValidationError as error:
        said = "; ".join(".".join([str(name), *map(str, one["loc"])]) + f": {one['msg']}" for one in error.errors())
        raise _no_prices(file, said) from error


def _no_prices(file: Path, said: object) -> SpecError:
    fix = f"A line for each device, such as `mine: {{usd_per_hour: 0.8}}`, with any of {', '.join(Price.model_fields)}."
    return SpecError(str(file), f"cannot be read as prices ({' '.join(str(said).split())}).", fix)


@final
@dataclass(frozen=True)
class Cost:
    """Dollars: on demand, and on spot with what interruptions cost in repeated work."""

    usd: Interval
    spot_usd: Interval | None


def cost(price: Price, seconds: Interval) -> Cost:
    """What so many seconds cost; on spot every interruption costs a restart.

    With interruptions every `h` hours and restarts of `r`, work takes 1 + r / h times as long.
    """
    hourly = seconds.times(price.usd_per_hour / HOUR_S)
    if not price.spot_saving:
        return Cost(hourly, None)
    longer = 1 + (price.restart_hours / price.spot_hours if price.spot_hours else 0.0)
    return Cost(hourly, hourly.times((1 - price.spot_saving) * longer))
