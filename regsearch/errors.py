"""Every error that regsearch raises on purpose.  Each message says what was expected, what was found and what to do.

The command prints the message as one line and ends with the error's exit code: 2 for bad input, 1 for a failure.
"""

MORE_MEMORY = "there is too little memory: close other programs, give fewer --workers, or search fewer features or rows"
"""What to do about a `MemoryError`."""


class RegsearchError(Exception):
    """Base of every error that regsearch raises on purpose.

    Attributes
    ----------
    exit_code : int
        Exit code of the command: 2 for bad input, 1 for a failure.
    """

    exit_code = 1


class ConfigError(RegsearchError, ValueError):
    """The configuration or an option cannot be used."""

    exit_code = 2


class DataError(RegsearchError, ValueError):
    """The data cannot be searched."""

    exit_code = 2


class StoreError(RegsearchError, RuntimeError):
    """The tracking store cannot be used."""

    exit_code = 2


class SearchNotFoundError(RegsearchError, LookupError):
    """The store has no search with this id.  The message says if it was deleted or moved, or names similar ids."""


class SearchBusyError(RegsearchError, RuntimeError):
    """Another process is running the same search."""


class SearchStoppedError(RegsearchError, RuntimeError):
    """A store, the disk or a worker failed during a search.  What was logged is kept; the same call resumes."""


class EngineLostError(RegsearchError, RuntimeError):
    """A worker process, or the connection to the cluster, is gone."""


class TrialError(RegsearchError, RuntimeError):
    """A trial raised an error.  Its run holds the traceback, and the search can be resumed."""


class NoWinnerError(RegsearchError, RuntimeError):
    """No trial can win by the search's rule, or none reached the tolerance.  The configuration has to change."""

    exit_code = 2


class PromotionRefusedError(RegsearchError, RuntimeError):
    """The winner may not become champion.  The message says why, and which option allows it."""


class RegistryError(RegsearchError, RuntimeError):
    """The registered model has no champion, or no earlier version that can become champion again."""


class ModelRejectedError(RegsearchError, RuntimeError):
    """The stored model is not one that regsearch wrote.  Nothing of it was executed."""


class HeldError(RegsearchError, TimeoutError):
    """Another process holds a lock, such as that of a promotion, and does not release it in time.

    Attributes
    ----------
    who : str
        The process, as far as it is known.
    """

    def __init__(self, name: str, who: str) -> None:
        super().__init__(f"{who} does not let go of the lock {name!r}; wait for it to end, or stop it")
        self.who = who


class LostError(RegsearchError, ConnectionError):
    """The process has lost its lock, because the database that kept it is gone or was restarted."""
