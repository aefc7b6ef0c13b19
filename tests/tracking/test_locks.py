import os
import signal
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from sqlalchemy import create_engine, event, text
from sqlalchemy.exc import OperationalError

from regsearch.errors import HeldError, LostError
from regsearch.tracking.locks import Locks
from tests.needs import missing
from tests.servers import until

HOLD = """
import sys, time
from pathlib import Path
from regsearch.tracking.locks import Locks
with Locks(Path(sys.argv[2]), tuple(sys.argv[3:])).hold(sys.argv[1]):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def database(postgresql):
    """Return the address of an empty database."""
    return postgresql.renew("locks")


@pytest.fixture
def machines(tmp_path):
    """Return the lock folders of two machines."""
    folders = tmp_path / "one", tmp_path / "another"
    for folder in folders:
        folder.mkdir()
    return folders


def holder(folder, *databases, name="name"):
    """Start a process that holds a lock."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, name, folder, *databases], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    return process


HOLD_AS_ANOTHER_USER = """
import os, sys
from pathlib import Path
from regsearch.tracking.locks import Locks
if os.getuid() == 0:
    os.setuid(12345)
with Locks(Path(sys.argv[1])).hold("name"):
    print("held")
"""


def said_to_another_user(left, mode):
    """Return the last line of a user who takes a lock in a folder of that mode, where we left a file of the lock."""
    with TemporaryDirectory() as folder:  # in which that user may look, unlike pytest's
        Path(folder).chmod(mode)
        Path(folder, left).touch(mode=0o444)
        done = subprocess.run([sys.executable, "-c", HOLD_AS_ANOTHER_USER, folder], capture_output=True, text=True)
    return (done.stdout + done.stderr).splitlines()[-1]


@pytest.mark.parametrize(
    ("left", "says"), [("name.holder", "held"), ("name.lock", "name.lock: cannot be written; ask its owner")]
)
def test_a_file_that_another_user_left_is_replaced_or_named(left, says):
    assert says in said_to_another_user(left, mode=0o777)


def test_a_note_that_only_its_owner_may_replace_is_named():
    if os.getuid() != 0:
        missing("another user's id takes root")
    assert "name.holder: cannot be written; ask its owner" in said_to_another_user("name.holder", mode=0o1777)


def free(locks, patience=0):
    try:
        with locks.hold("name", patience):
            return True
    except HeldError:
        return False


def test_who_holds_a_name_in_a_file_is_told_and_keeps_it_until_it_dies(machines):
    one, _ = machines
    assert_held_until_its_holder_dies(Locks(one), Locks(one))


def test_who_holds_a_name_in_a_database_is_told_and_keeps_it_until_it_dies(machines, database):
    one, another = machines
    assert_held_until_its_holder_dies(Locks(one, (database,)), Locks(another, (database,)))


def assert_held_until_its_holder_dies(mine, theirs):
    with holder(theirs.folder, *theirs.databases) as process:
        who = f"process {process.pid} on {os.uname().nodename}"
        with pytest.raises(HeldError, match=f"^{who} does not let go of the lock 'name'") as refused:
            mine.hold("name", patience=0).__enter__()
        assert refused.value.who == who
        with mine.hold("another name", patience=0) as held:
            held.confirm()
        process.send_signal(signal.SIGKILL)
    until(lambda: free(mine))


def test_a_name_that_is_let_go_of_is_waited_for(machines, database):
    one, another = (Locks(machine, (database,)) for machine in machines)
    with ThreadPoolExecutor() as pool:
        with one.hold("name"):
            waiting = pool.submit(free, another, patience=60)
            assert not free(another)
            assert not waiting.done()
        assert waiting.result()


def test_who_is_waited_for_is_named_meanwhile(machines, database, caplog, monkeypatch):
    monkeypatch.setattr("regsearch.tracking.locks.TOLD_AFTER_SECONDS", 0.2)
    one, another = machines
    for mine, theirs in [(Locks(one), Locks(one)), (Locks(one, (database,)), Locks(another, (database,)))]:
        with holder(theirs.folder, *theirs.databases) as process, ThreadPoolExecutor() as pool:
            waiting = pool.submit(free, mine, patience=60)
            until(lambda: caplog.messages)
            process.kill()
            assert waiting.result()
        who = f"process {process.pid} on {os.uname().nodename}"
        assert caplog.messages == [f"waiting for the lock 'name', which {who} holds; stop that if it hangs"]
        caplog.clear()


def test_a_lock_does_not_outlive_its_database_and_is_known_to_be_lost(postgresql, machines, database):
    one, another = (Locks(machine, (database,)) for machine in machines)
    with one.hold("name") as held:
        held.confirm()
        postgresql.kill()
        with pytest.raises(
            LostError, match=r"the lock 'name' was lost: postgresql://127\.0\.0\.1:\d+/locks was restarted"
        ):
            held.confirm()
        with pytest.raises(OperationalError):
            another.hold("name").__enter__()
        postgresql.start()
        with another.hold("name", patience=0) as theirs:
            theirs.confirm()
            with pytest.raises(LostError):
                held.confirm()
    assert free(one)


def test_a_session_that_an_administrator_ends_is_known_to_be_lost(postgresql, tmp_path, database):
    with Locks(tmp_path, (database,)).hold("name") as held:
        postgresql.rule("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'locks'")
        with pytest.raises(LostError):
            held.confirm()


def test_places_are_known_without_their_secrets(postgresql, tmp_path, database):
    here, there = Locks(tmp_path, (database, f"{database}?password=x")).places[:2]
    assert here == f"{os.uname().nodename}:{tmp_path}"
    assert there == f"postgresql://127.0.0.1:{postgresql.port}/locks"


def test_an_interruption_that_lets_go_of_a_lock_lets_go_of_the_database(tmp_path):
    """A notebook keeps the traceback, and with it all that the interrupted calls had in hand."""
    engine = create_engine(f"sqlite:///{tmp_path / 'some.db'}")
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE numbers (number INTEGER)"))

    @event.listens_for(engine, "after_cursor_execute", once=True)
    def interrupt(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as kept, Locks(tmp_path).hold("store"), engine.begin() as connection:
        connection.execute(text("INSERT INTO numbers VALUES (:number)"), [{"number": 1}, {"number": 2}])
    with closing(sqlite3.connect(tmp_path / "some.db", timeout=0)) as other:
        other.execute("INSERT INTO numbers VALUES (3)")
    assert kept.traceback
