"""What went wrong in a store, said in one line and without secrets."""

from __future__ import annotations

from http.client import IncompleteRead

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import PERMISSION_DENIED, ErrorCode

from regsearch.errors import ConfigError
from regsearch.tracking.addresses import without_secrets

_LONGEST = 300


def require_text(value: object, name: str, expected: str) -> None:
    """Refuse what is no text, before a library does it in its own words.

    Parameters
    ----------
    value : object
    name : str
        Name of the argument.
    expected : str
        What it should be, for people.

    Raises
    ------
    ConfigError
        If it is no text.
    """
    if not isinstance(value, str):
        raise ConfigError(f"{name}: expected {expected}, found {type(value).__name__} {value!r:.40}")


def require_truth(**given: object) -> None:
    """Refuse what is neither true nor false: a text such as ``"no"`` would count as true, and open test rows.

    Parameters
    ----------
    **given
        The arguments by their names.

    Raises
    ------
    ConfigError
        If one of them is neither.
    """
    for name, value in given.items():
        if value not in (True, False):
            raise ConfigError(f"{name}: expected True or False, found {type(value).__name__} {value!r:.40}")


def is_denied(error: BaseException) -> bool:
    """Return whether a tracking server with users refused one of them."""
    return isinstance(error, MlflowException) and error.error_code == ErrorCode.Name(PERMISSION_DENIED)


def first_cause(error: BaseException) -> BaseException:
    """Return the error that was raised first.

    MLflow puts the address, secrets included, into the message of the error that it makes of it.
    """
    while error.__context__:
        error = error.__context__
    return error


def reason(error: BaseException) -> str:
    """Return the message of the first cause of an error, in one line and without secrets."""
    if is_denied(error):
        return (
            "the tracking server, which does not let you change what another user made; choose another `name`, or ask "
            "them for the permission MANAGE on the experiment and the model"
        )
    cause = first_cause(error)
    return f"{type(cause).__name__}: {without_secrets(str(cause).strip().partition(chr(10))[0])[:_LONGEST]}"


def is_cut_short(error: BaseException) -> bool:
    """Return whether the answer of a tracking server ended on the way, so that the request may have been carried out.

    MLflow repeats a request that was not answered at all, but not one whose answer was cut short.
    """
    return isinstance(first_cause(error), IncompleteRead | ConnectionResetError)
