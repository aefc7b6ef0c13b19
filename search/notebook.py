"""A finished search in a notebook: its best trials, a figure of all of them, and links to their runs."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable
from html import escape
from typing import TYPE_CHECKING

from regsearch.search.trial import Trial, best_and_winner
from regsearch.search.winner import standing_out
from regsearch.tracking import pages

if TYPE_CHECKING:
    from regsearch.search.result import Promotion, SearchResult

_LOCAL_UI = "http://127.0.0.1:5000"
_CELL = "text-align: {}; padding: 0.2em 0.8em; white-space: nowrap"


def as_html(result: SearchResult) -> str:
    """Return a search's result as HTML; text that people or files brought in is escaped."""
    return "\n".join(
        (
            '<div style="max-width: 52em">',
            _headline(result),
            _table(result),
            _figure(result),
            _list(result.notes),
            *([] if _is_server(result) else [_hint()]),
            "</div>",
        )
    )


def _headline(result: SearchResult) -> str:
    search = _link(f"Search {result.search_id}", _run(result, result.run_id))
    solved = f", {result.new_trials} of them new" if result.new_trials < len(result.finished) else ""
    lines = [f"{search} of <b>{escape(result.config.name)}</b>: {len(result.finished)} trials{solved}."]
    if promotion := result.promotion:
        version = _link(
            f"version {promotion.version} of {promotion.model}",
            _page(result, pages.version(promotion.model, promotion.version)),
        )
        lines.append(f"Champion: {version}{_tested(promotion)}.")
    if result.null:
        lines.append(f"{escape(str(result.null))}.")
    return f"<p>{'<br>'.join(lines)}</p>"


def _tested(promotion: Promotion) -> str:
    if promotion.r2_test is None:
        return ", not tested"
    ends = f"{promotion.r2_test_low:.4f} to {promotion.r2_test_high:.4f}"
    return f", R² test {promotion.r2_test:.4f} (95 % interval {ends})"


def _table(result: SearchResult) -> str:
    shown = best_and_winner(result.finished, result.winner)
    headings = ("", "trial", *result.winner.cells)
    rows = [_row("th", map(escape, headings)), *(_row("td", _cells(result, trial)) for trial in shown)]
    return f"<table>{''.join(rows)}</table>"


def _cells(result: SearchResult, trial: Trial) -> list[str]:
    return [
        "★" if trial == result.winner else "",
        _link(trial.name, _run(result, trial.run_id)),
        *trial.cells.values(),
    ]


def _row(tag: str, cells: Iterable[str]) -> str:
    sides = ("center", "left", "right", "right", "right", "right")
    styles = map(_CELL.format, sides)
    columns = (f'<{tag} style="{style}">{cell}</{tag}>' for style, cell in zip(styles, cells, strict=True))
    return f"<tr>{''.join(columns)}</tr>"


def _figure(result: SearchResult) -> str:
    from regsearch.tracking import figures

    trials = result.finished
    at = standing_out(trials, result.config.tolerance, result.winner)

    def draw() -> bytes:
        import numpy as np

        return figures.to_png(
            figures.trade_off(
                [trial.family for trial in trials],
                np.array([float(trial.n_nonzero) for trial in trials]),
                np.array([trial.r2_validation for trial in trials]),
                figures.Choices(*at) if at else None,
                lambda at: trials[at].name,
                at_most=result.config.at_most,
            )
        )

    picture = figures.unless_it_fails("figure trade_off", draw)
    if picture is None:
        return ""
    source = f"data:image/png;base64,{b64encode(picture).decode()}"
    return f'<img src="{source}" alt="R² and sparsity of every trial" style="width: 100%; max-width: 46em">'


def _list(items: Iterable[str]) -> str:
    return "".join(("<ul>", *(f"<li>{escape(item)}</li>" for item in items), "</ul>"))


def _hint() -> str:
    return f"<p><small>The links lead to {_LOCAL_UI}, where <code>regsearch ui --port 5000</code> answers.</small></p>"


def _run(result: SearchResult, run_id: str) -> str:
    return _page(result, pages.run(result.experiment_id, run_id))


def _page(result: SearchResult, address: str) -> str:
    base = result.tracking_uri.rstrip("/") if _is_server(result) else _LOCAL_UI
    return f"{base}/{address}"


def _is_server(result: SearchResult) -> bool:
    return result.tracking_uri.startswith(("http://", "https://"))


def _link(text: str, address: str) -> str:
    return f'<a href="{escape(address)}" target="_blank" rel="noopener">{escape(text)}</a>'
