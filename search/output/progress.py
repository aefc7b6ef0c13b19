"""How far a search is, on standard error."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NoReturn

from tqdm import tqdm

from regsearch.data.refusal import short
from regsearch.data.standard_error import redraws, say
from regsearch.errors import ConfigError
from regsearch.tracking.records import TrialRecord

_EVERY_SECONDS = 5.0

_Scored = tuple[float, str]
"""A score, and the name of what has it."""

_NO_SCORE: _Scored = (float("-inf"), "")


class Progress:
    """Says nothing.  The subclasses say how far a search is.

    Attributes
    ----------
    is_shown : bool
        Whether anything is said at all.
    """

    is_shown = False

    def say(self, line: str) -> None:
        """Say what happens next."""

    @contextmanager
    def trials(self, total: int, already: int, done: Sequence[TrialRecord] = ()) -> Iterator[None]:
        """Count trials inside the context.

        Parameters
        ----------
        total, already : int
            Trials wanted in all, or at most, and trials that need not be made any more.
        done : sequence of TrialRecord
            Trials that were there before.
        """
        with self._counting(total, already, "trial", [_scored(record) for record in done]):
            yield

    @contextmanager
    def targets(self, total: int, scores: Sequence[float]) -> Iterator[None]:
        """Count the targets of a null distribution inside the context.

        Parameters
        ----------
        total : int
            Targets wanted in all.
        scores : sequence of float
            Those of the targets that were scored before.
        """
        with self._counting(total, len(scores), "target", [(score, "") for score in scores]):
            yield

    @contextmanager
    def _counting(self, total: int, already: int, unit: str, done: Sequence[_Scored]) -> Iterator[None]:
        self._begin(total, already, unit, max(done, default=_NO_SCORE))
        try:
            yield
        finally:
            self._end()

    def score(self, score: float) -> None:
        """Count a target that was scored."""

    def count(self, record: TrialRecord) -> None:
        """Count a trial that was logged."""

    def complete(self) -> None:
        """Note that no more trials will come, even where families stopped early."""

    def _begin(self, total: int, already: int, unit: str, best: _Scored) -> None: ...

    def _end(self) -> None: ...


class _Shown(Progress):
    is_shown = True

    def say(self, line: str) -> None:
        say(line)

    def _begin(self, total: int, already: int, unit: str, best: _Scored) -> None:  # noqa: ARG002
        self._total, self._done, self._unit = total, already, unit

    def score(self, score: float) -> None:  # noqa: ARG002
        self._done += 1

    def count(self, record: TrialRecord) -> None:  # noqa: ARG002
        self._done += 1

    def complete(self) -> None:
        self._total = self._done


class TrialLines(_Shown):
    """Says a line for every trial."""

    def count(self, record: TrialRecord) -> None:
        """Say a trial's scores and certificate."""
        super().count(record)
        scores = (
            "R² train {r2_train:.4f}, validation {r2_validation:.4f} ± {r2_validation_se:.4f}, {n_nonzero:.0f} "
            "non-zero, duality gap {duality_gap:.0e}, solved in {fit_seconds:.3f} s"
        ).format_map(record.metrics)
        doubt = "" if record.certified else ", not certified"
        self.say(f"{self._done}/{self._total}  {record.name}: {scores}{doubt}")


class Bar(_Shown):
    """Draws a bar in a terminal or a notebook; in a pipe or a file it says a line now and then, and one at the end.

    Parameters
    ----------
    every : float
        Least seconds between two lines.
    """

    def __init__(self, every: float = _EVERY_SECONDS) -> None:
        self._every = every
        self._best = _NO_SCORE
        self._shown = ""
        self._unsaid = False

    def _begin(self, total: int, already: int, unit: str, best: _Scored) -> None:
        super()._begin(total, already, unit, best)
        self._already = already
        self._best = best
        self._bar: tqdm[NoReturn] = tqdm(total=total, initial=already, unit=unit, disable=not redraws())
        self._started = self._said = time.monotonic()

    def _end(self) -> None:
        if self._unsaid:
            self._say_how_far()
        self._bar.close()

    def count(self, record: TrialRecord) -> None:
        """Advance the bar, or say a line if the last one was long enough ago."""
        super().count(record)
        self._best = max(self._best, _scored(record))
        best = "no trial is certified yet" if self._best == _NO_SCORE else "best validation R² {:.4f}, {}"
        self._advance(best.format(*self._best))

    def score(self, score: float) -> None:
        """Advance the bar by a target, and say the time that is left in a line, too."""
        super().score(score)
        self._best = max(self._best, (score, ""))
        seconds = (time.monotonic() - self._started) / max(1, self._done - self._already)
        self._advance(f"highest score {self._best[0]:.4f}, about {seconds * (self._total - self._done):.0f} s left")

    def _advance(self, shown: str) -> None:
        self._shown = shown
        self._bar.set_postfix_str(shown, refresh=False)
        self._bar.update()
        if self._bar.disable:
            self._unsaid = True
            if time.monotonic() - self._said >= self._every:
                self._say_how_far()

    def complete(self) -> None:
        """Fill the bar."""
        super().complete()
        self._bar.total = self._done
        self._bar.refresh()

    def _say_how_far(self) -> None:
        self._said = time.monotonic()
        self._unsaid = False
        seconds = self._said - self._started
        self.say(f"{self._done} of {self._total} {self._unit}s after {seconds:.0f} s, {self._shown}")


def _scored(record: TrialRecord) -> _Scored:
    """Return what a trial counts as, which wins only if it is certified."""
    return (record.metrics["r2_validation"], record.name) if record.certified else _NO_SCORE


def progress_of(shown: bool | Progress) -> Progress:
    """Return a progress from what a caller gave: a progress, ``True`` for a bar, or ``False`` for nothing.

    Raises
    ------
    ConfigError
        If it is anything else.
    """
    if isinstance(shown, Progress):
        return shown
    if shown not in (True, False):
        found, do = short(shown), "derive it from Progress"
        if isinstance(shown, type) and issubclass(shown, Progress):
            found, do = "its class", f"give {shown.__name__}()"
        raise ConfigError(f"progress: expected True, False or an object that shows the progress, found {found}; {do}")
    return Bar() if shown and sys.stderr is not None else Progress()
