"""Which clock tells the time of a device: this machine's calibration, or published figures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from dynaxx.plan.profile import Profile
from dynaxx.plan.time.devices import device_named
from dynaxx.plan.time.interval import Interval
from dynaxx.plan.time.kept import calibrated
from dynaxx.plan.time.transfer import Transfer
from dynaxx.plan.tracker import OpKey
from dynaxx.signal.device import accelerators, apart, device_of, kinds


class Clock(Protocol):
    """Tells how long work takes on one device."""

    @property
    def name(self) -> str:
        """The device."""

    @property
    def transfer(self) -> Transfer | None:
        """How fast weights come to it; None where nobody says."""

    def knows(self, profile: Profile) -> bool:
        """Whether it can tell the time of work in the profile's number format."""

    def seconds(self, profile: Profile, work: Mapping[OpKey, int], batch: int, size: tuple[int, ...]) -> Interval:
        """How long the operations of a stage take at a batch and a size."""


def clock_for(device: str) -> tuple[Clock | None, str]:
    """The clock of a device and where its figures are from; None for this machine where it was not calibrated.

    Raises:
        UsageError: if the device is no device, or neither of a kind that torch knows nor in the table of known ones.
    """
    if device.partition(":")[0] not in kinds():
        known = device_named(device)
        return known, f"published figures, not calibrated: {known.source}"
    place = device_of(device)
    if apart(place) and str(place) not in accelerators():
        return None, f"there is no {device} here: name a known one (--device h100-sxm)"
    found, named = calibrated(place), f" --device {device}" if apart(place) else ""
    return (found, "calibrated on this machine") if found else (None, f"not calibrated: dynaxx plan --calibrate{named}")
