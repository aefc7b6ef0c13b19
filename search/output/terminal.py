"""What the command prints: plain values for programs, tables for people."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from io import StringIO
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.box import SIMPLE
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from regsearch.data import Recording
from regsearch.data.blocks import row_blocks
from regsearch.data.entry import Entry
from regsearch.search.chance.distribution import NullDistribution
from regsearch.search.config import PRESETS, SearchConfig, preset
from regsearch.search.result import Promotion, SearchResult
from regsearch.search.rows import check_rows
from regsearch.search.trial import best_and_winner

if TYPE_CHECKING:
    from regsearch.search.nested import Nested

_MOST_ENTRIES = 20
_SCHEMA_HINT = """\
#:schema ./regsearch.schema.json
# To let your editor complete and check this file: regsearch config --schema > regsearch.schema.json
"""


def checked(name_or_path: str) -> tuple[dict[str, Any], str]:
    """Return a configuration with its defaults as plain values, and as TOML to save.

    For a preset, the TOML is the preset's own file with its comments, and a line that lets editors check it.

    Raises
    ------
    ConfigError, DataError
        If there is no such configuration, or it cannot be run.
    """
    config = SearchConfig.load(name_or_path)
    check_rows(config)
    text = f"{_SCHEMA_HINT}{preset(name_or_path)}" if name_or_path in PRESETS else config.to_toml()
    return config.model_dump(mode="json", exclude_none=True), text


def plan_text(plan: Mapping[str, Any]) -> str:
    """Return a plan for people."""
    table = Table(box=SIMPLE)
    for heading in ("family", "trials", "proposed by", "strengths"):
        table.add_column(heading, justify="right" if heading == "trials" else "left")
    for family, settings in plan["families"].items():
        strengths = ", ".join(
            f"{name} {_span(values)}"
            for name, values in settings.items()
            if name not in ("trials", "patience", "proposed_by")
        )
        trials = f"{'up to ' if 'patience' in settings else ''}{settings['trials']}"
        table.add_row(family, trials, settings.get("proposed_by", "baseline"), strengths)
    rows, features = plan["recording"]["rows"], plan["recording"]["features"]
    size = f"{rows:,} rows × {features:,} features" if rows else "size not known before it is read"
    split = (
        plan["rows"]
        if isinstance(plan["rows"], str)
        else ", ".join(f"{k.replace('_', ' ')} {v}" for k, v in plan["rows"].items())
    )
    most = "up to " if any("patience" in settings for settings in plan["families"].values()) else ""
    takes = "a time that is not known before the recording is read"
    if plan["seconds"] is not None:
        duration, gigabytes = _duration(plan["seconds"]), plan["peak_mb"] / 1000
        takes = f"{most or 'about '}{duration} and {gigabytes:.1f} GB of memory, on two cores"
    trials = f"{most}{plan['trials']} trials"
    if plan["searches"] is None:
        trials = f"a search on all rows and one for each part that is tested, {trials} each"
    elif plan["searches"] > 1:
        trials = f"{plan['searches']} searches of {trials}, {most}{plan['trials_in_all']} in all"
    values = (
        "" if plan["values_checked"] else " The values were not checked: the search refuses text and missing values."
    )
    return _rendered(
        Text(f"{plan['name']}: {trials}, seed {plan['seed']}"),
        table,
        Text(f"recording  {plan['source']}, {size}; {split}"),
        Text(f"takes      {takes}"),
        Text(f"tracked in {plan['tracking_uri']}"),
        Text(f"studies in {plan['storage']}"),
        Text(f"Nothing was run: leave out --dry-run to start.{values}"),
    )


def _span(strength: Mapping[str, Any] | list[float]) -> str:
    """Return the strengths of a plan in words."""
    if isinstance(strength, list):
        return str(strength)
    count = f"{strength['points']} points, " if "points" in strength else ""
    if "of" not in strength:
        return f"{count}{strength['low']:g}–{strength['high']:g}"
    if "low" in strength:
        return f"{count}{strength['low']:g}–{strength.get('high', 1.0):g} of the data's maximum"
    return f"{count}relative to the data"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def as_json(result: SearchResult) -> dict[str, Any]:
    """Return a search's result as plain values."""
    return {
        "search_id": result.search_id,
        "run_id": result.run_id,
        "trials": len(result.finished),
        "new_trials": result.new_trials,
        "best": result.best.dropna().to_dict(),
        "promotion": promotion_json(result.promotion) if result.promotion else None,
        "notes": list(result.notes),
        **({"null": result.null.as_json()} if result.null else {}),
        **({"nested": _nested_json(result.nested)} if result.nested else {}),
    }


def _nested_json(nested: Nested) -> dict[str, Any]:
    scores = {"r2_test": nested.r2_test, "r2_test_se": nested.r2_test_se}
    return {**scores, "parts": [asdict(part) for part in nested.parts]}


def as_text(result: SearchResult) -> str:
    """Return a search's result for people: the best trials of each family, the winner, and what happened to it."""
    table = Table(box=SIMPLE)
    table.add_column("")
    for heading in ("trial", *result.winner.cells, "seconds"):
        table.add_column(heading, justify="left" if heading == "trial" else "right", no_wrap=True)
    for trial in best_and_winner(result.finished, result.winner):
        wins = trial == result.winner
        table.add_row(
            "★" if wins else "",
            trial.name,
            *trial.cells.values(),
            f"{trial.metrics['fit_seconds']:.3f}",
            style="bold" if wins else None,
        )
    did = f"{result.new_trials} new" if result.new_trials else "none new: this search was complete"
    heading = f"search {result.search_id}: {len(result.finished)} trials, {did}; the three best of each family"
    lines: list[RenderableType] = [Text(heading), table]
    if result.promotion:
        lines.append(Text(promotion_text(result.promotion), end=""))
    else:
        lines.append(Text(f"winner: {result.winner.name}, R² validation {result.winner.r2_validation:.4f}"))
    if result.null:
        lines.append(Text(f"better than chance? {result.null}"))
    if result.nested:
        lines += _nested_parts(result.nested)
    lines += [Text(f"note: {note}") for note in result.notes]
    return _rendered(*lines)


def null_text(found: NullDistribution) -> str:
    """Return a null distribution for people."""
    table = Table(box=SIMPLE)
    for heading in (f"R² {found.rows}", "search", "real target", "null: median", "95 %", "highest"):
        table.add_column(heading, justify="right" if heading != f"R² {found.rows}" else "left")
    middle, high = np.quantile(found.null, [0.5, 0.95])
    scores = (found.search_score, found.score, middle, high, max(found.null))
    table.add_row("", *(f"{score:.4f}" for score in scores))
    return _rendered(Text(f"search {found.search_id}: {found}"), table)


def targets_text(results: Sequence[SearchResult]) -> str:
    """Return the results of several targets for people: a row for each."""
    table = Table(box=SIMPLE)
    for heading in ("target", "search", "winner", "R² validation", "R² test", "champion"):
        table.add_column(heading, justify="right" if heading.startswith("R²") else "left")
    notes = []
    for result in results:
        target, champion, nested = result.config.data.targets[0], result.promotion, result.nested
        tested = f"{champion.r2_test:.4f}" if champion and champion.r2_test is not None else "–"
        table.add_row(
            Text(target),
            result.search_id,
            result.winner.name,
            f"{result.winner.r2_validation:.4f}",
            f"{nested.r2_test:.4f} ± {nested.r2_test_se:.4f}" if nested else tested,
            Text(f"{champion.model} version {champion.version}" if champion else "not promoted"),
        )
        if result.null:
            notes.append(Text(f"{target}: better than chance? {result.null}"))
        notes += [Text(f"note: {target}: {note}") for note in result.notes]
    new = sum(result.new_trials for result in results)
    return _rendered(Text(f"{len(results)} targets, {new} new trials"), table, *notes)


def _nested_parts(nested: Nested) -> list[RenderableType]:
    table = Table(box=SIMPLE)
    for heading in ("part", "tested on", "winner", "R² validation", "R² test", "95 % interval"):
        table.add_column(heading, justify="right" if heading.startswith("R²") else "left")
    for part in nested.parts:
        interval = f"{part.r2_test_low:.3f} to {part.r2_test_high:.3f}"
        scores = (f"{part.r2_validation:.4f}", f"{part.r2_test:.4f}", interval)
        table.add_row(str(part.part), Text(part.rows), part.winner, *scores)
    return [Text(f"nested cross-validation: {nested}"), table]


def promotion_json(promotion: Promotion) -> dict[str, Any]:
    """Return a promotion as plain values."""
    return {**asdict(promotion), "uri": promotion.uri}


def promotion_text(promotion: Promotion) -> str:
    """Return a promotion for people."""
    instead = f", replacing version {promotion.replaced}" if promotion.replaced else ""
    test = f", nested {promotion.nested}" if promotion.nested else ", never tested: no rows were kept for a test"
    if promotion.r2_test is not None:
        interval = f"{promotion.r2_test_low:.4f} to {promotion.r2_test_high:.4f}"
        test = f", test {promotion.r2_test:.4f} (95 % interval {interval})"
    return (
        f"champion: {promotion.trial}, version {promotion.version} of {promotion.model}{instead}\n"
        f"R² train {promotion.r2_train:.4f}, validation {promotion.r2_validation:.4f}{test}\n"
        f'load it:  mlflow.set_tracking_uri("{promotion.tracking_uri}")\n'
        f'          mlflow.pyfunc.load_model("{promotion.uri}")\n'
        f"look:     {_ui_of(promotion.tracking_uri)}\n"
    )


def _ui_of(store: str) -> str:
    """Return the command that shows a store, without its address if the command finds it by itself."""
    from regsearch.tracking.addresses import shown
    from regsearch.tracking.store import tracking_uri  # MLflow

    is_found = store == shown(tracking_uri())
    return shlex.join(["regsearch", "ui", *([] if is_found else ["--tracking-uri", store])])


def models_text(models: Mapping[str, Mapping[str, Sequence[Any]]]) -> str:
    """Return registered models for people: their versions, and when which was champion."""
    if not models:
        return "no registered models yet; `regsearch run` makes the first\n"
    return _rendered(*(part for name, model in models.items() for part in _model_parts(name, **model)))


def contents(entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """Return the arrays or columns of a recording as plain values."""
    return [asdict(entry) for entry in entries]


def contents_text(entries: Sequence[Entry]) -> str:
    """Return the arrays or columns of a recording for people: all of a few, or the first and the last of many."""
    table = Table(box=SIMPLE)
    for heading in ("name", "shape", "type", "taken as"):
        table.add_column(heading)
    shown = (
        entries if len(entries) <= _MOST_ENTRIES else [*entries[: _MOST_ENTRIES // 2], *entries[-_MOST_ENTRIES // 2 :]]
    )
    targets = [entry for entry in entries if entry.role == "target" and entry not in shown]
    for entry in (*targets, *shown):
        shape = " × ".join(f"{size:,}" for size in entry.shape) if entry.shape else ""
        table.add_row(Text(entry.name), shape, entry.dtype, entry.role)
    left = len(entries) - len(shown) - len(targets)
    return _rendered(table, *([Text(f"{left:,} more, between the first and the last, are not shown")] if left else []))


def describe(recording: Recording) -> dict[str, Any]:
    """Return the properties of a recording as plain values."""
    quantiles = [0.01, 0.5, 0.99, 1.0]
    X, n_rows = recording.X, len(recording.y)
    sample = np.vstack([X[row : row + 1, :] for row in range(0, n_rows, max(1, n_rows // 200))])
    constant = np.ones(X.shape[1], dtype=bool)
    for rows in row_blocks(X):
        constant &= (X[rows, :] == sample[0]).all(axis=0)
    return {
        "source": recording.source,
        "rows": n_rows,
        "features": X.shape[1],
        "dtype": str(X.dtype),
        "target": recording.target,
        "sha256": recording.sha256,
        "constant_features": int(constant.sum()),
        "X_quantiles_of_some_200_rows": dict(
            zip(map(str, quantiles), np.quantile(sample, quantiles).tolist(), strict=True)
        ),
        "y_quantiles": dict(zip(map(str, quantiles), np.quantile(recording.y, quantiles).tolist(), strict=True)),
        "y_mean": float(recording.y.mean()),
        "y_sd": float(recording.y.std()),
    }


def description_text(description: Mapping[str, Any]) -> str:
    """Return the properties of a recording for people."""
    table = Table(box=SIMPLE, show_header=False)
    for key, value in description.items():
        shown = ", ".join(f"{q}: {v:.4g}" for q, v in value.items()) if isinstance(value, dict) else value
        form = {int: ",", float: ".4g"}.get(type(shown), "")
        table.add_row(key.replace("_", " "), f"{shown:{form}}")
    return _rendered(table)


def _model_parts(name: str, versions: Iterable[Mapping[str, Any]], moves: Sequence[str]) -> list[RenderableType]:
    table = Table(box=SIMPLE)
    columns = ("version", "champion", "r2_train", "r2_validation", "r2_test", "trial", "search_id")
    for column in columns:
        table.add_column(column.replace("_", " "))
    for version in versions:
        table.add_row(*(_cell(version.get(column)) for column in columns))
    return [Text(name), table, *(Text(f"champion: {move}") for move in moves), Text()]


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "★" if value else ""
    return f"{value:.4f}" if isinstance(value, float) else str(value or "")


def _rendered(*parts: RenderableType) -> str:
    # without markup and emoji: a column's name may hold [/b] or :smile:
    text = StringIO()
    Console(file=text, width=120, highlight=False, markup=False, emoji=False).print(Group(*parts))
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines()) + "\n"
