"""Every picture, and how it becomes a file; `regsearch.tracking.figures` hands them out."""

from regsearch.tracking.figures import without_backend  # noqa: F401  # first: it imports matplotlib
from regsearch.tracking.figures.attempt import unless_it_fails
from regsearch.tracking.figures.chance import null_scores
from regsearch.tracking.figures.groups import group_scores
from regsearch.tracking.figures.marks import Choices
from regsearch.tracking.figures.nested import nested
from regsearch.tracking.figures.paths import coefficient_path
from regsearch.tracking.figures.stems import weights, weights_compared, weights_png
from regsearch.tracking.figures.strengths import Curve, importance, mix_heatmap, r2_against_alpha
from regsearch.tracking.figures.style import DOUBLE, SINGLE, column, to_pdf, to_png, to_svg
from regsearch.tracking.figures.traces import Trace, predictions, residuals
from regsearch.tracking.figures.trials import history, trade_off

__all__ = [
    "DOUBLE",
    "SINGLE",
    "Choices",
    "Curve",
    "Trace",
    "coefficient_path",
    "column",
    "group_scores",
    "history",
    "importance",
    "mix_heatmap",
    "nested",
    "null_scores",
    "predictions",
    "r2_against_alpha",
    "residuals",
    "to_pdf",
    "to_png",
    "to_svg",
    "trade_off",
    "unless_it_fails",
    "weights",
    "weights_compared",
    "weights_png",
]
