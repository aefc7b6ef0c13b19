"""How far a search is, on standard error: a bar where there is a screen, a line now and then where there is none."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Literal, NoReturn, Self

from tqdm.auto import tqdm

from regsearch.tracking.runs import TrialRecord

Shown = bool | Literal["trials"]
"""Whether to say how far a search is, or by ``"trials"`` a line for every one."""

_EVERY_SECONDS = 5.0


class Progress:
    """Says how far a search is, as a context manager.

    In a terminal and in a notebook it is a bar; in a pipe or a file it is plain lines, the last one at the end.

    Parameters
    ----------
    total, already : int
        Trials wanted in all, or at most, and those that were there before.
    shown : bool or "trials"
        Whether to say anything, or to write a line for every trial instead.
    every : float
        Least seconds between two plain lines.
    """

    def __init__(self, total: int, already: int, shown: Shown = True, *, every: float = _EVERY_SECONDS) -> None:
        self._bar: tqdm[NoReturn] = tqdm(
            total=total,
            initial=already,
            unit="trial",
            disable=None if shown is True else True,  # None: where standard error is no terminal
        )
        self._every_trial = shown == "trials"
        self._plain = shown is True and self._bar.disable
        self._total = total
        self._done = already
        self._best = (float("-inf"), "")
        self._every = every
        self._started = self._said = time.monotonic()
        self._unsaid = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._unsaid:
            self._say()
        self._bar.close()

    def update(self, record: TrialRecord) -> None:
        """Count a trial that has been logged."""
        self._done += 1
        self._best = max(self._best, (record.metrics["r2_validation"], record.name))
        self._bar.set_postfix_str(self._best_shown, refresh=False)
        self._bar.update()
        if self._every_trial:
            _write(f"{self._done}/{self._total}  {_in_full(record)}")
        elif self._plain:
            self._unsaid = True
            if time.monotonic() - self._said >= self._every:
                self._say()

    def finish(self) -> None:
        """Take the trials that are there for all: families that stopped early want no more."""
        self._total = self._bar.total = self._done
        self._bar.refresh()

    @property
    def _best_shown(self) -> str:
        return "best validation R² {:.4f}, {}".format(*self._best)

    def _say(self) -> None:
        self._said = time.monotonic()
        self._unsaid = False
        _write(f"{self._done} of {self._total} trials after {self._said - self._started:.0f} s, {self._best_shown}")


def _in_full(record: TrialRecord) -> str:
    shown = (
        "R² train {r2_train:.4f}, validation {r2_validation:.4f} ± {r2_validation_se:.4f}, {n_nonzero:.0f} non-zero, "
        "duality gap {duality_gap:.0e}, solved in {fit_seconds:.3f} s"
    ).format_map(record.metrics)
    return f"{record.name}: {shown}{'' if record.certified else ', not certified'}"


def _write(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
