"""A signal asks, its echo is the same signal, and a second one is obeyed at once."""

from __future__ import annotations

import signal
import time

import pytest

from dynaxx.engine.stop import AT_ONCE_S, Stop


def test_an_echo_is_no_second_signal_but_a_later_one_is() -> None:
    before = signal.getsignal(signal.SIGINT)
    with Stop() as stop:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        assert stop.asked is signal.SIGINT
        time.sleep(2 * AT_ONCE_S)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before
