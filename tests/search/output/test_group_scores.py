import numpy as np
import pytest
from sklearn.metrics import r2_score

from regsearch.data import Rows
from regsearch.search.output.group_scores import draw, group_scores
from regsearch.search.output.search_figures import Predicted
from regsearch.search.penalty import Penalty
from regsearch.search.trial import Trial
from regsearch.tracking.figures import Trace


def rows(start, groups, weights=None):
    """Return rows with a target, and the trace of a prediction of them."""
    index = np.arange(start, start + len(groups))
    y = np.sin(index) + 1.0
    kept = Rows(np.zeros((len(groups), 1)), y, index, np.array(groups), weights)
    return kept, Trace(index, y, y + np.cos(index) / 3)


def joined(*traces):
    return Trace(*map(np.concatenate, zip(*(trace[:3] for trace in traces), strict=True)))


def test_a_group_has_the_score_of_its_rows_in_all_folds():
    weights = np.array([1.0, 2.0, 0.5, 1.0, 3.0])
    (first, one), (second, two) = rows(0, list("aabba"), weights), rows(9, list("bbcaa"), weights[::-1])
    predicted = Predicted(one, joined(one, two))
    scores = group_scores([first, second], predicted)
    assert scores["group"].tolist() == ["a", "b", "c"]
    assert scores["rows_validation"].tolist() == [5, 4, 1]
    labels, both = np.array(list("aabbabbcaa")), np.concatenate([weights, weights[::-1]])
    for group, score in zip("ab", scores["r2_validation"], strict=False):
        at = labels == group
        true, found = predicted.validation.true[at], predicted.validation.predicted[at]
        assert score == pytest.approx(r2_score(true, found, sample_weight=both[at]))
    assert np.isnan(scores["r2_validation"].iloc[2])  # a single row does not vary


def test_test_rows_have_groups_of_their_own_and_a_name_is_a_name():
    (held, one), (test, two) = rows(0, ["NA", "NA", "01", "01"]), rows(9, ["01", "01", "x", "x"])
    scores = group_scores([held], Predicted(one, one, two), test)
    assert scores["group"].tolist() == ["01", "NA", "x"]
    assert scores["rows_test"].fillna(0).tolist() == [2, 0, 2]
    winner = Trial("lasso", 0, {"alpha": 0.1}, Penalty(0.1, 0.0), {"r2_validation": 0.4}, "w")
    axes = draw(scores.to_csv(index=False).encode(), winner).axes[0]
    assert {label.get_text() for label in axes.get_xticklabels()} == {"01", "NA", "x"}


def test_without_groups_there_is_nothing_to_say():
    kept, trace = rows(0, list("ab"))
    bare = Rows(kept.X, kept.y, kept.index)
    assert group_scores([bare], Predicted(trace, trace)) is None
