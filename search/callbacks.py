"""scikit-learn's callbacks, which follow a fit trial by trial; scikit-learn before 1.9 has none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from regsearch.search.untracked import Tried

try:
    from sklearn.callback import CallbackSupportMixin as TakesCallbacks
    from sklearn.callback import with_callbacks
except ImportError:

    class TakesCallbacks:  # type: ignore[no-redef]
        """An estimator without `set_callbacks`."""

    def with_callbacks(fit: Callable[..., Any]) -> Callable[..., Any]:
        """Return a fit as it is."""
        return fit


__all__ = ["Count", "TakesCallbacks", "followed", "with_callbacks"]

Count = Callable[[Tried | None], None]
"""Notes that a trial is done, with what it came to where that is known."""


@contextmanager
def followed(estimator: Any, n_trials: int, **data: Any) -> Iterator[Callable[[Any], Count]]:
    """Tell an estimator's callbacks when a fit begins, when each of its trials is done, and when it ends.

    Parameters
    ----------
    estimator : object
    n_trials : int
        Number of trials of the whole fit, at most.
    **data
        `X`, `y` and `metadata` of the fit, for callbacks that ask for them.

    Yields
    ------
    callable
        Returns what counts the trials of a target, from the target's values.
    """
    if not hasattr(estimator, "_init_callback_context"):
        yield lambda _: lambda _: None
        return
    context = estimator._init_callback_context(max_subtasks=n_trials)
    context.call_on_fit_task_begin(estimator=estimator, **data)

    def counts(y: Any) -> Count:
        given = {"estimator": estimator, **data, "y": y}

        def count(tried: Tried | None) -> None:
            trial = context.subcontext("trial").call_on_fit_task_begin(**given)
            fitted = {"coef_": tried.coef, "intercept_": tried.intercept} if tried else None
            trial.call_on_fit_task_end(**given, reconstruction_attributes=fitted)

        return count

    yield counts
    context.call_on_fit_task_end(estimator=estimator, **data)
