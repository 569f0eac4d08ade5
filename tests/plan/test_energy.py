"""Energy: watts by the price file before the CPU's own limits, seconds at that power, and nothing where nobody says."""

from __future__ import annotations

from pathlib import Path

import pytest

from dynaxx.plan.energy import energy_kwh, watts_of
from dynaxx.plan.money import Price
from dynaxx.plan.table import Question, answer_for
from dynaxx.plan.time.interval import Interval
from dynaxx.spec.files import parse

SPEC = {
    "name": "one",
    "stages": [{
        "name": "s", "role": "base", "network": {"width": 8, "mults": [1, 2], "blocks": 1, "attention": []},
        "out": {"size": [8, 8]}, "solver": {"steps": 2}, "train": {"steps": 10},
    }],
}  # fmt: skip


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two CPU packages of 95 and 65 W, a part of one, the whole platform, and a package that is not ours to read."""
    folder = tmp_path / "powercap"
    zones = (("0", "package-0", 95), ("10", "package-10", 65), ("0:0", "core", 40), ("1", "psys", 200))
    for number, zone, watts in zones:
        name, limit = f"intel-rapl:{number}", watts * 1_000_000
        (folder / name).mkdir(parents=True)
        (folder / name / "name").write_text(f"{zone}\n")
        (folder / name / "constraint_0_power_limit_uw").write_text(f"{limit}\n")
    (folder / "intel-rapl:2").mkdir()
    monkeypatch.setattr("dynaxx.plan.energy.POWERCAP", folder)
    return folder


def test_an_hour_of_a_kilowatt_is_a_kilowatt_hour() -> None:
    assert energy_kwh(1000.0, Interval(3600.0, 1800.0, 7200.0)) == Interval(1.0, 0.5, 2.0)


def test_packages_add_up_and_the_price_file_goes_before_them(packages: Path) -> None:
    assert watts_of("cpu", None) == 160
    assert watts_of("cpu", Price(usd_per_hour=1.0)) == 160
    assert watts_of("cpu", Price(usd_per_hour=1.0, watts=30.0)) == 30
    assert watts_of("t4", None) is None
    assert watts_of("t4", Price(usd_per_hour=1.0, watts=70.0)) == 70


def test_where_nobody_says_nothing_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dynaxx.plan.energy.POWERCAP", tmp_path / "nowhere")
    assert watts_of("cpu", None) is None
    plan = answer_for(parse(SPEC), Question("one", device="l4"))
    assert plan["run"]["kwh_per_1000"] is None
    assert plan["train"]["kwh"] is None


def test_the_plan_tells_the_energy_of_samples_and_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dynaxx.plan.table.prices", lambda: {"t4": Price(usd_per_hour=1.0, watts=72.0)})
    plan = answer_for(parse(SPEC), Question("one", device="t4", samples=4))
    per_sample = plan["run"]["latency_s"]["value"] / 4
    assert plan["run"]["kwh_per_1000"]["value"] == pytest.approx(1000 * per_sample * 72 / 3.6e6)
    assert plan["train"]["kwh"]["high"] == pytest.approx(plan["train"]["train_s"]["high"] * 72 / 3.6e6)
