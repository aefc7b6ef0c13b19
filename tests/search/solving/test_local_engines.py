"""Processes solve what a thread solves, and are done with when one of them dies, at whatever moment."""

import os
import signal
import sys
import time
from concurrent.futures import wait
from multiprocessing import active_children
from multiprocessing.connection import Connection

import pytest

from regsearch.errors import EngineLostError
from regsearch.search.penalty import Penalty
from regsearch.search.solving.evaluate import Task
from regsearch.search.solving.local_engines import processes
from regsearch.search.solving.worker_process import WorkerProcess
from regsearch.search.trial import Proposal
from regsearch.tracking import figures


class Squares:
    """Solves numbers; 13 raises, -1 dies, and -2 dies while it sends its result."""

    def worker(self, processes):
        return square

    def near(self, work):
        return None


def square(number):
    if number == 13:
        raise ValueError("13 has no square here")
    if number == -1:
        os.kill(os.getpid(), signal.SIGKILL)
    if number == -2:
        Connection._send = send_half
    return number**2


class InStep:
    """Says which process solves a penalty; each waits until as many of the other kind have begun, in a folder."""

    def __init__(self, folder):
        self.folder = folder

    def worker(self, processes):
        return self.solve

    def near(self, penalty):
        return penalty

    def solve(self, penalty):
        kind, other = ("lasso", "ridge") if penalty.l1 else ("ridge", "lasso")
        number = len(list(self.folder.glob(f"{kind}*")))
        (self.folder / f"{kind} {number}").touch()
        patience = time.monotonic() + 60
        while not (self.folder / f"{other} {number}").exists() and time.monotonic() < patience:
            time.sleep(0.01)
        return os.getpid()


def send_half(connection, message):
    os.write(connection.fileno(), message[: len(message) // 2])
    os.kill(os.getpid(), signal.SIGKILL)


class Interrupted(Squares):
    """Is interrupted, as from a terminal, on its way to a process that starts: in the driver, and in the process."""

    def __init__(self, ours):
        self.ours = ours

    def __getstate__(self):
        if self.ours:
            signal.raise_signal(signal.SIGINT)
        return {"ours": False}

    def __setstate__(self, state):
        self.__dict__ |= state
        signal.raise_signal(signal.SIGINT)


def exit_when_interrupted(*_):
    sys.exit()


@pytest.fixture(
    params=[(signal.default_int_handler, KeyboardInterrupt), (exit_when_interrupted, SystemExit)],
    ids=["Python's", "a library's"],
)
def interruption(request):
    """What a handler of SIGINT raises while the test runs."""
    handler, raised = request.param
    before = signal.signal(signal.SIGINT, handler)
    yield raised
    signal.signal(signal.SIGINT, before)


def test_a_process_that_starts_leaves_an_interruption_to_the_driver(interruption):
    with processes(1)(Interrupted(ours=False)) as submit:
        assert submit(3).result() == 9
    with pytest.raises(interruption), processes(1)(Interrupted(ours=True)) as submit:
        submit(3)
    assert not active_children()


def test_a_process_draws_the_weights_as_the_driver_would(sealed):
    development, _ = sealed
    with processes(1)(Task(development, 1e-6)) as submit:
        (solved,) = submit([Proposal("lasso", 0, {"alpha": 0.01}, Penalty(0.01, 0.0))]).result()
    assert solved.fit.coef.any()
    assert solved.picture == figures.weights_png(solved.fit.coef, "lasso alpha=0.01")


def test_what_processes_solve_comes_back_and_so_does_what_they_raise():
    with processes(2)(Squares()) as submit:
        futures = [submit(number) for number in range(20)]
        assert [one.result() for one in [*futures[:13], *futures[14:]]] == [n**2 for n in range(20) if n != 13]
        with pytest.raises(ValueError, match="13 has no square here"):
            futures[13].result()
    assert not active_children()


def test_a_process_goes_on_with_penalties_that_are_near_those_that_it_solved(tmp_path):
    strengths = (0.1, 0.2, 0.3)
    with processes(2)(InStep(tmp_path)) as submit:
        ridge, lasso = (
            [submit(Penalty(*pair)) for pair in pairs]
            for pairs in ([(0.0, one) for one in strengths], [(one, 0.0) for one in strengths])
        )
        solvers = [{outcome.result() for outcome in outcomes} for outcomes in (ridge, lasso)]
    assert [len(one) for one in solvers] == [1, 1]
    assert solvers[0] != solvers[1]


@pytest.mark.parametrize("dying", [-1, -2])
def test_the_death_of_a_process_is_said_at_once_even_in_the_middle_of_a_result(dying):
    with processes(2)(Squares()) as submit:
        futures = [submit(number) for number in (1, dying, *range(50))]
        assert not wait(futures, timeout=60).not_done
        with pytest.raises(EngineLostError, match="a solver's process died"):
            futures[1].result()
    assert not active_children()


@pytest.mark.parametrize("works", [0, 1])
def test_a_process_whose_last_answer_nobody_reads_ends_without_a_word(works, capfd):
    process = WorkerProcess(Squares(), 1)
    for number in range(works):
        process.wait_until_ready()
        process._connection.send(number)
    assert process._connection.poll(60)
    process.close()
    assert process._process.exitcode == 0
    assert capfd.readouterr().err == ""
