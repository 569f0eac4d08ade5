"""What time costs: prices in a file that the user edits, hours to train, the cost of a thousand samples."""

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
    """Dollars an hour for one device; on spot `saving` is taken off, and it is interrupted every so many hours.

    `watts` is what it draws under load.
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
        return {str(name): Price.model_validate(row) for name, row in rows.items()}
    except (OSError, yaml.YAMLError, AttributeError, ValidationError) as error:
        said = str(error).strip().splitlines()
        raise SpecError(str(file), f"cannot be read as prices ({' '.join(said[:3])}).", "See docs/plan.md.") from error


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
