"""A real PostgreSQL server for tests, where its programs are installed."""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import attrs
import psycopg

REQUIRED = "GATEWAY_TEST_POSTGRES"
"""With this variable set, a missing PostgreSQL is a failure; `.ci/run` sets it."""
_USER = "postgres"  # the server refuses to run as root


def programs():
    """The folder of `initdb` and `pg_ctl`, or None."""
    found = shutil.which("pg_ctl")
    folders = [Path(found).resolve().parent] if found else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((folder for folder in folders if (folder / "initdb").exists()), None)


def wanted():
    """Tests run on PostgreSQL too."""
    return bool(programs() or os.environ.get(REQUIRED))


@attrs.define
class Server:
    """A running server, reached through a socket in its own folder."""

    folder: Path
    _count: int = 0

    def url(self, database):
        """The `journal.url` of *database*."""
        return f"postgresql://gateway@/{database}?host={self.folder}"

    def run(self, statement):
        """Run one *statement* as the owner of the server."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(statement)

    @contextlib.contextmanager
    def standing_still(self):
        """A context in which none of the server's processes does anything; connections to it stay open."""
        with psycopg.connect(self.url("postgres")) as connection:
            others = connection.execute("SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid()").fetchall()
        postmaster = int((self.folder / "data" / "postmaster.pid").read_text().split()[0])
        with contextlib.ExitStack() as stack:
            for pid in (postmaster, *(pid for (pid,) in others)):
                stack.enter_context(stopped(pid))
            yield

    def make(self, template="template0"):
        """The name of a new database."""
        self._count += 1
        name = f"journal_{self._count}"
        self.run(f"CREATE DATABASE {name} TEMPLATE {template} ENCODING 'UTF8'")
        return name


@contextlib.contextmanager
def stopped(pid):
    """A context in which a process stands still."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):  # it was told to end before
            os.kill(pid, signal.SIGCONT)


@contextlib.contextmanager
def serving():
    """A server on a socket, with no data that outlives it."""
    binaries = programs()
    assert binaries, "PostgreSQL is not installed: apt-get install postgresql"
    with tempfile.TemporaryDirectory(prefix="pg") as name:  # short: the name of a socket is
        folder = Path(name)
        as_root = os.geteuid() == 0
        if as_root:
            shutil.chown(folder, _USER)
        user = ["runuser", "-u", _USER, "--"] if as_root else []

        def run(program, *words):
            command = [*user, str(binaries / program), "-D", str(folder / "data"), *words]
            done = subprocess.run(command, capture_output=program == "initdb", stdin=subprocess.DEVNULL, cwd="/")
            assert done.returncode == 0, done.stderr

        run("initdb", "-U", "gateway", "-A", "trust", "-N", "-E", "UTF8", "--no-locale")
        options = f"-c listen_addresses='' -c fsync=off -c full_page_writes=off -k {folder}"
        run("pg_ctl", "-s", "-w", "-l", str(folder / "log"), "-o", options, "start")
        try:
            yield Server(folder)
        finally:
            run("pg_ctl", "-s", "-w", "-m", "immediate", "stop")
