from regsearch.search.solving.local import processes
from regsearch.tracking import figures


def test_a_process_draws_the_weights_as_the_driver_would(sealed):
    development, _ = sealed
    with processes(1)(development, 1e-6) as submit:
        (solved,) = submit("lasso", [{"alpha": 0.01}]).result()
    assert solved.fit.coef.any()
    assert solved.picture == figures.weights_png(solved.fit.coef, "lasso alpha=0.01")
