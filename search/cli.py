"""The `regsearch` command."""

from __future__ import annotations

import json
import logging
import os
import shlex
import signal
import sys
from collections.abc import Sequence
from importlib.metadata import version
from threading import Timer
from typing import Annotated, Any, NoReturn

import typer

from regsearch.errors import RegsearchError
from regsearch.search.config import PRESETS

app = typer.Typer(
    name="regsearch",
    help="Search the penalty of regularised linear models; trials are MLflow runs, the winner a registered model.",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(invoke_without_command=True)
def start(
    context: typer.Context,
    show_version: Annotated[bool, typer.Option("--version", help="Print the version and leave.")] = False,
) -> None:
    """Search the penalty of regularised linear models."""
    if show_version:
        typer.echo(version("regsearch"))
    elif context.invoked_subcommand is None:
        typer.echo(context.get_help())


TrackingUri = Annotated[
    str | None,
    typer.Option(metavar="URI", help="MLflow's. Default: $MLFLOW_TRACKING_URI, else ./mlruns/mlflow.db."),
]
Storage = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="Optuna's: a database URL or a journal. Default: $REGSEARCH_STORAGE, else ./mlruns/optuna.journal.",
    ),
]
SharedStorage = Annotated[
    str | None,
    typer.Option(
        metavar="URL", help="Optuna's: where it is PostgreSQL, it keeps machines apart. Default: $REGSEARCH_STORAGE."
    ),
]
Config = Annotated[
    str,
    typer.Argument(
        metavar="[CONFIG]",
        help="A TOML file, or a preset: default or tutorial.",
        autocompletion=lambda incomplete: [name for name in PRESETS if name.startswith(incomplete)],
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON on standard output.")]


@app.command()
def run(
    config: Config = "default",
    data: Annotated[
        str | None,
        typer.Option(
            metavar="SOURCE",
            help="twin, stringer, or a .npz, .csv, .parquet, .npy or Zarr, which has rows and a name of its own.",
        ),
    ] = None,
    target: Annotated[
        str | None, typer.Option(metavar="NAME", help="The array or column to predict, instead of the config's.")
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Of the experiment and the model, instead of the config's or that of --data's file."
        ),
    ] = None,
    trials: Annotated[
        int | None, typer.Option(metavar="N", help="Trials wanted in all, for each family searched by range.")
    ] = None,
    seed: Annotated[int | None, typer.Option(metavar="N", help="Of the proposals, instead of the config's.")] = None,
    tracking_uri: TrackingUri = None,
    storage: Storage = None,
    workers: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Processes that solve. The trials are the same with any number."),
    ] = None,
    cluster: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS", help="Dask cluster that solves: tcp://scheduler:8786, or local:N for N processes here."
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be run, and touch nothing.")] = False,
    no_promote: Annotated[
        bool, typer.Option("--no-promote", help="Leave the test rows sealed and the registry alone.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but the result and errors.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Say a line for every trial.")] = False,
    as_json: AsJson = False,
) -> None:
    """Run a search, or take up one that was stopped: the same command finishes what is missing, or does nothing."""
    from regsearch.search.config import SearchConfig
    from regsearch.search.output import terminal

    if quiet and verbose:
        raise typer.BadParameter("--quiet and --verbose exclude each other; give one of them.")
    wanted = SearchConfig.load(config)
    if data is not None:
        wanted = wanted.on(data)
    wanted = wanted.updated(seed=seed, trials=trials, target=target, name=name)
    if dry_run:
        from regsearch.search.plan import plan

        planned = plan(wanted, tracking_uri=tracking_uri, storage=storage)
        _print(planned, terminal.plan_text(planned), as_json=as_json)
        return
    from regsearch.search.launch import run_search

    result = run_search(
        wanted,
        tracking_uri=tracking_uri,
        storage=storage,
        workers=workers,
        cluster=cluster,
        promote=not no_promote,
        progress="trials" if verbose else not quiet,
    )
    _print(terminal.as_json(result), terminal.as_text(result), as_json=as_json)


@app.command()
def promote(
    search_id: Annotated[str, typer.Argument(help="Printed by `regsearch run`; a tag of the runs in MLflow.")],
    again: Annotated[
        bool, typer.Option("--again", help="Open test rows that were opened before for another winner.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace a champion that is better or of other data.")] = False,
    tracking_uri: TrackingUri = None,
    storage: SharedStorage = None,
    as_json: AsJson = False,
) -> None:
    """Score a search's winner on the test rows, once, and make it champion."""
    from regsearch.search.output import terminal
    from regsearch.search.promotion import promote as promote_search

    promotion = promote_search(search_id, tracking_uri=tracking_uri, storage=storage, again=again, force=force)
    _print(terminal.promotion_json(promotion), terminal.promotion_text(promotion), as_json=as_json)


@app.command()
def models(
    rollback: Annotated[bool, typer.Option("--rollback", help="Give the champion's alias back to its predecessor.")] = (
        False
    ),
    name: Annotated[str | None, typer.Option(metavar="MODEL", help="Only this registered model.")] = None,
    tracking_uri: TrackingUri = None,
    storage: SharedStorage = None,
    as_json: AsJson = False,
) -> None:
    """List the registered models, their scores, and who was champion when."""
    from regsearch.search.output import terminal
    from regsearch.search.promotion import rollback as restore
    from regsearch.tracking import registry
    from regsearch.tracking.orphans import close_orphans
    from regsearch.tracking.store import existing_store

    store = existing_store(tracking_uri, storage)
    close_orphans(store)
    known = registry.names(store)
    if name is not None and name not in known:
        raise typer.BadParameter(f"no registered model {name!r}; known are {', '.join(known) or 'none'}")
    chosen = [name] if name is not None else known
    if rollback:
        if len(chosen) != 1:
            raise typer.BadParameter(
                f"--rollback needs one model; choose with --name among {', '.join(known) or 'none'}"
            )
        restore(chosen[0], tracking_uri=tracking_uri, storage=storage)
    shown: dict[str, dict[str, Sequence[Any]]] = {
        model: {"versions": registry.history(store, model), "moves": registry.moves(store, model)} for model in chosen
    }
    _print(shown, terminal.models_text(shown), as_json=as_json)


@app.command()
def ui(
    port: Annotated[
        int | None,
        typer.Option(
            min=1, max=65535, help="On this machine's loopback address. Default: the first free one from 5000 on."
        ),
    ] = None,
    browse: Annotated[bool, typer.Option("--open", help="Open a browser once the UI answers.")] = False,
    tracking_uri: TrackingUri = None,
) -> None:
    """Serve the MLflow UI on the searches: one worker, loopback only, until Ctrl-C."""
    from regsearch.tracking.server import serve

    raise typer.Exit(serve(tracking_uri, port, browse=browse))


@app.command("config")
def config_command(
    config: Config = "default",
    schema: Annotated[
        bool, typer.Option("--schema", help="Print the JSON schema by which editors complete and check a TOML file.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Print a preset to start from, or check a TOML file and print it with its defaults."""
    from regsearch.search.config import SearchConfig
    from regsearch.search.output import terminal

    if schema:
        typer.echo(json.dumps(SearchConfig.toml_schema(), indent=2))
        return
    _print(*terminal.checked(config), as_json=as_json)


@app.command("data")
def data_command(
    source: Annotated[
        str, typer.Argument(metavar="[SOURCE]", help="twin, stringer, a .npz, .csv, .parquet, .npy or a Zarr group.")
    ] = "twin",
    target: Annotated[str, typer.Option(help="The array or column to predict.")] = "y",
    as_json: AsJson = False,
) -> None:
    """Fetch, verify and describe a recording."""
    from regsearch import data
    from regsearch.search.output import terminal

    recording = data.load(source, target)
    described = terminal.describe(recording)
    _print(described, terminal.description_text(described), as_json=as_json)


def main() -> NoReturn:
    """Run the command; every expected failure is one line on standard error."""
    received: list[int] = []
    code = 1
    logging.getLogger("mlflow.store").setLevel(logging.CRITICAL)  # it prints the traceback of what is told in a line
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _: _interrupt(received, number))
    ignored = sys.unraisablehook
    sys.unraisablehook = lambda what: _interrupt_again(received) if _is_interruption(what) else ignored(what)
    try:
        code = app(prog_name="regsearch", standalone_mode=False) or 0
    except Exception as error:
        usage = getattr(error, "format_message", None)  # Typer keeps the class of its usage errors private
        if not received:  # else a library made this of the interruption
            code = _fail(_usage(error, usage()), 2) if usage else _fail(*_explained(error))
    finally:
        sys.unraisablehook = ignored
    if received and code:  # the UI is served until it is interrupted, and has ended well then
        from regsearch.tracking.errors import without_secrets

        again = shlex.join(["regsearch", *map(without_secrets, sys.argv[1:])])
        code = _fail(f"stopped; resume with: {again}", 128 + received[-1])
    sys.exit(code)


def _usage(error: Exception, message: str) -> str:
    context = getattr(error, "ctx", None)
    return f"{message.rstrip('.')}; see `{context.command_path if context else 'regsearch'} --help`"


def _interrupt(received: list[int], number: int) -> NoReturn:
    """Stop as Ctrl-C does, remembering by which signal."""
    received.append(number)
    raise KeyboardInterrupt


def _is_interruption(what: sys.UnraisableHookArgs) -> bool:
    return issubclass(what.exc_type, KeyboardInterrupt)


def _interrupt_again(received: Sequence[int]) -> None:
    """Have a signal come once more that came while a finaliser ran, where Python ignores what is raised."""
    Timer(0.01, os.kill, (os.getpid(), received[-1])).start()


def _explained(error: Exception) -> tuple[str, int]:
    """Return the line to print and the exit code; raise what nobody expected."""
    if isinstance(error, RegsearchError):
        return str(error), error.exit_code

    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    from regsearch.tracking.errors import reason

    if isinstance(error, MlflowException | SQLAlchemyError | OSError):
        return f"{reason(error)}; nothing logged is lost, try again once that is mended", 1
    raise error


def _print(record: object, text: str, *, as_json: bool) -> None:
    typer.echo(json.dumps(record, indent=2) if as_json else text, nl=as_json)


def _fail(message: str, code: int) -> int:
    typer.echo(f"regsearch: {' '.join(message.split())}", err=True)
    return code


if __name__ == "__main__":
    main()
