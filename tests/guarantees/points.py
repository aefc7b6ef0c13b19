"""Points at which a process is interrupted: a call of a function, which is named by the function itself.

A function that was renamed, or that is no longer where its callers look it up, breaks the collection of the tests.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from types import ModuleType
from typing import Any, Literal


@dataclass(frozen=True)
class Point:
    """The moment right before or after a call of a function; it can be sent to a process that starts.

    Attributes
    ----------
    moment : "before" or "after"
    owner : module or type
        Where the callers look the function up.
    function : callable
    count : int
        Which call, from 1, since the process started.

    Raises
    ------
    LookupError
        If the owner does not have the function.
    """

    moment: Literal["before", "after"]
    owner: ModuleType | type
    function: Callable[..., Any]
    count: int = 1

    def __post_init__(self) -> None:
        if getattr(self.owner, self.name, None) is not self.function:
            raise LookupError(f"{self.owner.__name__} has no function {self.name}")

    def __str__(self) -> str:
        return f"{self.moment} {self.name}"

    def __reduce__(self) -> tuple[Any, ...]:
        """Return the point with the owner's name if that is a module, which cannot be pickled."""
        owner = self.owner.__name__ if isinstance(self.owner, ModuleType) else self.owner
        return _point, (self.moment, owner, self.name, self.count)

    @property
    def name(self) -> str:
        """The function's name."""
        return self.function.__name__

    def interrupt(self, number: int = signal.SIGKILL) -> None:
        """Have this process send itself a signal when it gets there."""
        left = self.count

        def interrupted(*args: Any, **kwargs: Any) -> Any:
            nonlocal left
            left -= 1
            if left == 0 and self.moment == "before":
                os.kill(os.getpid(), number)
            result = self.function(*args, **kwargs)
            if left == 0 and self.moment == "after":
                os.kill(os.getpid(), number)
            return result

        setattr(self.owner, self.name, interrupted)


before, after = partial(Point, "before"), partial(Point, "after")


def _point(moment: Literal["before", "after"], owner: str | type, name: str, count: int) -> Point:
    found = import_module(owner) if isinstance(owner, str) else owner
    return Point(moment, found, getattr(found, name), count)
