"""What a pipeline is called with is the user's: its errors become one message, but for those that a device causes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from dynaxx.errors import DynaxxError, RunError
from dynaxx.stage.faults import device_error
from dynaxx.stage.memory import ran_out


@contextmanager
def refusals(stage: str, device: object = "cpu") -> Iterator[None]:
    """Turn what a foreign pipeline raises over its arguments into one error; memory that runs out stays what it is.

    Raises:
        RunError: naming the stage, with the first line of what the pipeline says; or the device, if that is the cause.
    """
    try:
        yield
    except DynaxxError:
        raise  # of ours, from what follows the steps
    except (ValueError, TypeError, AttributeError, LookupError, ArithmeticError, RuntimeError) as error:
        if ran_out(error):
            raise
        if (fault := device_error(error, stage, device)) is not None:
            raise fault from error
        said = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
        fix = "Change `call`, `inputs` or `out` as it asks."
        raise RunError(f"stage {stage!r}", f"the pipeline refuses ({said}).", fix) from error
