"""What a pipeline is called with is the user's: its errors become one message, but for those that a device causes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from dynaxx.errors import DynaxxError, MissingExtraError, RunError
from dynaxx.stage.faults import device_error
from dynaxx.stage.memory import ran_out


@contextmanager
def refusals(stage: str, device: object = "cpu") -> Iterator[None]:
    """Turn what a foreign pipeline raises over its arguments into one error; memory that runs out stays what it is.

    Raises:
        RunError: naming the stage, with the first line of what the pipeline says; or the device, if that is the cause.
        MissingExtraError: if it needs a package that is not there.
    """
    try:
        yield
    except DynaxxError:
        raise  # of ours, from what follows the steps
    except NameError as error:  # pipelines import what is not there, and use it all the same
        what, fix = f"its pipeline needs the package {error.name!r}.", f"Install it: pip install {error.name}."
        raise MissingExtraError(f"stage {stage!r}", what, fix) from error
    except (ValueError, TypeError, AttributeError, LookupError, ArithmeticError, RuntimeError) as error:
        if ran_out(error):
            raise
        if (fault := device_error(error, stage, device)) is not None:
            raise fault from error
        said = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
        fix = "Change `call`, `inputs` or `out` as it asks."
        raise RunError(f"stage {stage!r}", f"the pipeline refuses ({said}).", fix) from error
