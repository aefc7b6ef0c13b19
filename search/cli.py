"""The `regsearch` command: its subcommands and their options."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from regsearch.data import Scale
from regsearch.data.standard_error import say
from regsearch.errors import ConfigError, DataError
from regsearch.search.config import PRESETS
from regsearch.search.penalty import Family

app = typer.Typer(
    name="regsearch",
    help="Find the best penalty of a linear model. Trials are MLflow runs; the winner is a registered model.",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(invoke_without_command=True)
def start(
    context: typer.Context,
    show_version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    """Find the best penalty of a linear model."""
    if show_version:
        typer.echo(version("regsearch"))
    elif context.invoked_subcommand is None:
        typer.echo(context.get_help())


def _given(text: str | None) -> str | None:
    """Refuse an empty text, such as that of a shell's variable that is not set."""
    if text == "":
        raise typer.BadParameter("expected a value, found an empty text; leave it out")
    return text


TrackingUri = Annotated[
    str | None,
    typer.Option(
        callback=_given,
        metavar="URI",
        help="MLflow tracking URI (default: $MLFLOW_TRACKING_URI, else the database ./mlruns/mlflow.db).",
    ),
]
Storage = Annotated[
    str | None,
    typer.Option(
        callback=_given,
        metavar="URL",
        help="Optuna storage: a database URL or the path of a journal file (default: $REGSEARCH_STORAGE, else "
        "./mlruns/optuna.journal).",
    ),
]
SharedStorage = Annotated[
    str | None,
    typer.Option(
        callback=_given,
        metavar="URL",
        help="Optuna storage URL; if PostgreSQL, its locks work across machines (default: $REGSEARCH_STORAGE).",
    ),
]


def _presets(incomplete: str) -> list[str]:
    return [name for name in PRESETS if name.startswith(incomplete)]


Config = Annotated[
    str,
    typer.Argument(
        callback=_given,
        metavar="CONFIG",
        help="A TOML file, or a preset: default, tutorial or own-data.",
        autocompletion=_presets,
    ),
]
ConfigOrData = Annotated[
    str,
    typer.Argument(
        callback=_given,
        metavar="CONFIG",
        help="A TOML file, a preset (default, tutorial or own-data), or a recording.",
        autocompletion=_presets,
    ),
]
Features = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME",
        help="Array of features in a .npz, a folder or a Zarr (default: X); or a column of a table, or a pattern such "
        "as 'unit_*' (default: all columns without another role). May be repeated.",
    ),
]
Exclude = Annotated[
    list[str] | None, typer.Option(metavar="NAME", help="Column to leave out, or a pattern. May be repeated.")
]
Covariates = Annotated[
    list[str] | None,
    typer.Option("--covariate", metavar="NAME", help="Column to fit without a penalty. May be repeated."),
]
Groups = Annotated[str | None, typer.Option(metavar="NAME", help="Column with the session or subject of each row.")]
Weights = Annotated[str | None, typer.Option(metavar="NAME", help="Column with the weight of each row.")]
Workers = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        min=1,
        help="Number of processes that solve. With any number, the results are the same to rounding error.",
    ),
]
Cluster = Annotated[
    str | None,
    typer.Option(
        callback=_given,
        metavar="ADDRESS",
        help="Dask cluster that solves: tcp://scheduler:8786, or local:N for N processes on this machine.",
    ),
]
SearchId = Annotated[str, typer.Argument(metavar="SEARCH_ID", help="Id of the search, as `regsearch run` prints it.")]
SearchedData = Annotated[
    str | None,
    typer.Option(
        callback=_given,
        metavar="SOURCE",
        help="File of the searched data, if it was moved since (default: the config's).",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON on standard output.")]


@app.command()
def run(
    config: ConfigOrData = "default",
    data: Annotated[
        str | None,
        typer.Option(
            callback=_given,
            metavar="SOURCE",
            help="Recording to search: twin, stringer, or the path of a .npz, .mat, .h5, .nwb, .csv, .parquet, .npy or "
            "Zarr. The config's split stays, unless it names rows by number.",
        ),
    ] = None,
    target: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Array or column to predict (default: the config's; y in a preset). May be repeated: each target gets "
            "a search of its own.",
        ),
    ] = None,
    features: Features = None,
    exclude: Exclude = None,
    covariates: Covariates = None,
    groups: Groups = None,
    weights: Weights = None,
    lags: Annotated[
        str | None,
        typer.Option(
            metavar="N,N,…",
            help="Delays in rows: 0,1 takes each feature at the same row and one row earlier, within its group.",
        ),
    ] = None,
    scale: Annotated[
        str | None,
        typer.Option(metavar="SCALE", help="What a centred column is divided by: unit-norm, standard or none."),
    ] = None,
    independent: Annotated[
        bool,
        typer.Option("--independent", help="The order of rows has no meaning: shuffle them before they are split."),
    ] = False,
    name: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Name of the experiment and the model (default: the config's, or the file name without its suffix; "
            "--target speed adds the target: table-speed).",
        ),
    ] = None,
    family: Annotated[
        list[str] | None,
        typer.Option(metavar="FAMILY", help="Search only this family: ridge, lasso or elasticnet. May be repeated."),
    ] = None,
    alpha: Annotated[
        str | None, typer.Option(metavar="LOW:HIGH", help="Range of alpha for ridge and the lasso, such as 0.001:1.")
    ] = None,
    trials: Annotated[
        int | None, typer.Option(metavar="N", help="Total number of trials of each family that has a range.")
    ] = None,
    folds: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=2,
            help="Cross-validate with N contiguous folds; with groups, with N folds of whole groups.",
        ),
    ] = None,
    select: Annotated[
        str | None,
        typer.Option(
            metavar="RULE",
            help="Rule that chooses the winner: best, one-se, one-se-paired, or at-most:N, the best with at most N "
            "non-zero weights.",
        ),
    ] = None,
    seed: Annotated[int | None, typer.Option(metavar="N", help="Seed of all random draws.")] = None,
    tracking_uri: TrackingUri = None,
    storage: Storage = None,
    workers: Workers = None,
    cluster: Cluster = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be run; change nothing.")] = False,
    no_promote: Annotated[
        bool, typer.Option("--no-promote", help="Leave the test rows sealed and register nothing.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print only the result and errors.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Print a line for every trial.")] = False,
    as_json: AsJson = False,
) -> None:
    """Run a search. Run it again and it completes whatever is missing."""
    from regsearch.data import is_recording
    from regsearch.search.config import SearchConfig
    from regsearch.search.output import terminal

    if quiet and verbose:
        raise typer.BadParameter("--quiet and --verbose exclude each other; give one of them.")
    if config not in PRESETS and is_recording(config):
        if data is not None:
            raise typer.BadParameter(f"{config} and --data {data} are both recordings; give one of them.")
        config, data = "default", config
    wanted = SearchConfig.load(config)
    if data is not None:
        wanted = wanted.on(data)
    wanted = wanted.updated(
        seed=seed,
        trials=trials,
        target=_one_or_several(target),
        features=_one_or_several(features),
        exclude=exclude,
        covariates=covariates,
        groups=groups,
        weights=weights,
        lags=None if lags is None else _lags(lags),
        scale=cast(Scale | None, scale),
        rows="independent" if independent else None,
        name=name,
        select=select,
        families=cast(Sequence[Family], family or ()),
        folds=folds,
        alpha=None if alpha is None else _ends(alpha),
    )
    if dry_run:
        from regsearch.search.plan import plan

        planned = plan(wanted, tracking_uri=tracking_uri, storage=storage)
        _print(planned, terminal.plan_text(planned), as_json=as_json)
        return
    from regsearch.search.launch import run_search, run_targets
    from regsearch.search.output.progress import TrialLines

    search = run_search if isinstance(wanted.data.target, str) else run_targets
    found = search(
        wanted,
        tracking_uri=tracking_uri,
        storage=storage,
        workers=workers,
        cluster=cluster,
        promote=not no_promote,
        progress=TrialLines() if verbose else not quiet,
    )
    if isinstance(found, tuple):
        _print([terminal.as_json(one) for one in found], terminal.targets_text(found), as_json=as_json)
    else:
        _print(terminal.as_json(found), terminal.as_text(found), as_json=as_json)


def _say(line: str, *, quiet: bool = False) -> None:
    """Say what begins, before anything large is imported for it."""
    if not quiet:
        say(line)


def _one_or_several(names: Sequence[str] | None) -> str | Sequence[str] | None:
    return names[0] if names and len(names) == 1 else names or None


def _lags(text: str) -> list[int]:
    try:
        return [int(lag) for lag in text.split(",")]
    except ValueError:
        raise ConfigError(f"--lags: expected numbers of rows, such as 0,1,2, found {text!r}") from None


def _ends(text: str) -> tuple[float, float]:
    try:
        low, high = map(float, text.split(":"))
    except ValueError:
        raise ConfigError(f"--alpha: expected LOW:HIGH, such as 0.001:1, found {text!r}") from None
    return low, high


@app.command()
def promote(
    search_id: SearchId,
    again: Annotated[
        bool, typer.Option("--again", help="Open test rows again that were opened for another winner.")
    ] = False,
    force: Annotated[
        bool,
        typer.Option(
            "--force",
            help="Promote a winner that is no better than a mean or the champion, or cannot be compared with it.",
        ),
    ] = False,
    data: SearchedData = None,
    tracking_uri: TrackingUri = None,
    storage: SharedStorage = None,
    as_json: AsJson = False,
) -> None:
    """Score the winner of a search on the test rows, once, and make its model champion."""
    _say(f"reading search {search_id} …", quiet=as_json)
    from regsearch.search.output import terminal
    from regsearch.search.promotion import promote as promote_search

    promotion = promote_search(
        search_id,
        data=data,
        tracking_uri=tracking_uri,
        storage=storage,
        again=again,
        force=force,
        progress=not as_json,
    )
    _print(terminal.promotion_json(promotion), terminal.promotion_text(promotion), as_json=as_json)


@app.command()
def null(
    search_id: SearchId,
    n: Annotated[
        int | None,
        typer.Option("--n", metavar="N", min=1, help="Number of null targets (default: 100, or all impostors)."),
    ] = None,
    kind: Annotated[
        str | None,
        typer.Option(
            metavar="KIND",
            help="Where null targets come from: shift, session, impostor or permutation (default: impostor if there "
            "are impostors, permutation if rows are independent, else shift).",
        ),
    ] = None,
    step: Annotated[
        int | None, typer.Option(metavar="ROWS", min=1, help="Rows between one shift and the next (default: 1).")
    ] = None,
    impostors: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE", help="Another recording, with a target of the same name. May be repeated."),
    ] = None,
    level: Annotated[
        float | None,
        typer.Option(
            metavar="P",
            help="Largest p that counts as significant; an --n too small to reach it is refused (default: 0.05).",
        ),
    ] = None,
    test: Annotated[
        bool,
        typer.Option("--test", help="Score on the opened test rows. This counts as another use of them."),
    ] = False,
    data: SearchedData = None,
    tracking_uri: TrackingUri = None,
    storage: SharedStorage = None,
    workers: Workers = None,
    cluster: Cluster = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print only the result and errors.")] = False,
    as_json: AsJson = False,
) -> None:
    """Compare a finished search with chance: repeat its choice of a model on targets unrelated to the features."""
    _say(f"reading search {search_id} …", quiet=quiet)
    from regsearch.search.config.null import Kind
    from regsearch.search.null import null_distribution
    from regsearch.search.output import terminal

    found = null_distribution(
        search_id,
        n=n,
        kind=cast(Kind | None, kind),
        step=step,
        impostors=impostors or (),
        level=level,
        test=test,
        data=data,
        tracking_uri=tracking_uri,
        storage=storage,
        workers=workers,
        cluster=cluster,
        progress=not quiet,
    )
    _print(found.as_json(), terminal.null_text(found), as_json=as_json)


@app.command()
def models(
    rollback: Annotated[bool, typer.Option("--rollback", help="Make the previous champion champion again.")] = (False),
    name: Annotated[
        str | None, typer.Option(metavar="MODEL", help="Show, or roll back, only this registered model.")
    ] = None,
    tracking_uri: TrackingUri = None,
    storage: SharedStorage = None,
    as_json: AsJson = False,
) -> None:
    """List the registered models, their scores, and which version was champion when."""
    _say("reading the registered models …", quiet=as_json or not rollback)
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
        _say(f"checking the version that the champion of {chosen[0]} replaced …", quiet=as_json)
        restore(chosen[0], tracking_uri=tracking_uri, storage=storage)
    shown: dict[str, dict[str, Sequence[Any]]] = {
        model: {"versions": registry.history(store, model), "moves": registry.moves(store, model)} for model in chosen
    }
    _print(shown, terminal.models_text(shown), as_json=as_json)


@app.command()
def figures(
    search_id: SearchId,
    width: Annotated[
        float,
        typer.Option(
            metavar="MM", min=60, max=400, help="Width in mm: 85 for one column of a journal, 180 for two columns."
        ),
    ] = 180,
    to: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder for the files (default: ./figures-SEARCH_ID).")
    ] = None,
    tracking_uri: TrackingUri = None,
) -> None:
    """Draw the figures of a search again, as PDF and as PNG at 300 dpi, without reading its data."""
    _say(f"reading search {search_id} …")
    from regsearch.search.redrawing import redraw

    folder = to or Path(f"figures-{search_id}")
    for file in redraw(search_id, folder, width=width, tracking_uri=tracking_uri, progress=True):
        typer.echo(str(file))


@app.command()
def ui(
    port: Annotated[
        int | None,
        typer.Option(
            min=1, max=65535, help="Port on this machine's loopback address (default: the first free one from 5000)."
        ),
    ] = None,
    browse: Annotated[bool, typer.Option("--open", help="Open the UI in a browser.")] = False,
    tracking_uri: TrackingUri = None,
) -> None:
    """Serve the MLflow UI on this machine, until Ctrl-C."""
    from regsearch.tracking.server import serve

    raise typer.Exit(serve(tracking_uri, port, browse=browse))


@app.command("config")
def config_command(
    config: Config = "default",
    schema: Annotated[
        bool, typer.Option("--schema", help="Print the JSON schema that lets editors complete and check a TOML file.")
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
        str,
        typer.Argument(
            callback=_given,
            metavar="SOURCE",
            help="twin, stringer, or the path of a .npz, .mat, .h5, .nwb, .csv, .parquet, .npy or Zarr.",
        ),
    ] = "twin",
    target: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Array or column to predict (default: y).")
    ] = None,
    features: Features = None,
    exclude: Exclude = None,
    covariates: Covariates = None,
    groups: Groups = None,
    weights: Weights = None,
    as_json: AsJson = False,
) -> None:
    """List the arrays or columns of a recording, and describe it if it has the target."""
    from regsearch import data
    from regsearch.search.config import SearchConfig
    from regsearch.search.output import terminal

    roles = (
        SearchConfig.from_preset("own-data")
        .updated(
            target=_one_or_several(target),
            features=_one_or_several(features),
            exclude=exclude,
            covariates=covariates,
            groups=groups,
            weights=weights,
        )
        .data.roles
    )
    entries = data.contents(source, roles)
    listed, table = terminal.contents(entries), terminal.contents_text(entries)
    if not target and not any(entry.role == "target" for entry in entries):
        without_features = not any(entry.role == "features" for entry in entries)
        also = ", and the features by --features" if without_features else ""
        hint = f"there is no {roles.target!r} to predict; name one of these by --target{also}"
        _print({"contents": listed}, f"{table}{hint}\n", as_json=as_json)
        return
    try:
        described = terminal.describe(data.load(source, roles))
    except DataError:  # which of the columns listed cannot be taken
        _print({"contents": listed}, table, as_json=as_json)
        raise
    text = f"{table}{terminal.description_text(described)}"
    _print({"contents": listed, **described}, text, as_json=as_json)


def _print(record: object, text: str, *, as_json: bool) -> None:
    # Typer's own stream is UTF-8 where Python's is ASCII
    typer.echo(json.dumps(record, indent=2) if as_json else text, file=sys.stdout, nl=as_json)
