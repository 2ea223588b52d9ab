"""A PostgreSQL of the tests' own: Debian's, as an unprivileged user, in a folder that goes with it."""
import glob
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

USER = "postgres"


def programs():
    """The folder of the newest version's programs."""
    found = glob.glob("/usr/lib/postgresql/*/bin")
    assert found, "PostgreSQL is not installed: tools/test does that"
    return max(found, key=lambda path: int(path.split("/")[4]))


class Postgres:
    """One server, reached by a socket in its folder, which any network namespace sees."""

    def __init__(self, settings=(), namespace=None):
        """`namespace`: it listens there, too, on all addresses, and trusts everybody."""
        self.bin = programs()
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="cradle-pg-"))
        shutil.chown(self.folder, USER)
        os.chmod(self.folder, 0o755)
        self.data = self.folder / "data"
        self.namespace = ["ip", "netns", "exec", namespace] if namespace else []
        self.settings = ["-c", f"listen_addresses={'*' if namespace else ''}", "-c", f"unix_socket_directories={self.folder}", *settings]
        self.process = None

    def command(self, program, *argv):
        return ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", f"{self.bin}/{program}", *map(str, argv)]

    def run(self, program, *argv, **options):
        return subprocess.run(self.command(program, *argv), text=True, capture_output=True, check=True,
                              cwd=self.folder, **options)

    def make(self):
        self.run("initdb", "-D", self.data, "--no-sync", "-A", "trust", "-E", "UTF8", "--locale=C")
        if self.namespace:
            with open(self.data / "pg_hba.conf", "a", encoding="ascii") as file:
                file.write("host all all 0.0.0.0/0 trust\n")
        return self

    def standby(self):
        """A copy of this one that follows it (streaming replication) until pg_promote() lets it take writes."""
        one = Postgres()
        one.run("pg_basebackup", "-h", self.folder, "-D", one.data, "-R", "-X", "stream", "-c", "fast", "--no-sync")
        return one

    def start(self, sync=False):
        log = open(self.folder / "log", "ab")
        options = [] if sync else ["-c", "fsync=off"]
        self.process = subprocess.Popen(self.namespace + self.command("postgres", "-D", self.data, *self.settings, *options),
                                        stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=self.folder)
        deadline = time.monotonic() + 60
        while not self.is_up():
            assert self.process.poll() is None, (self.folder / "log").read_text()
            assert time.monotonic() < deadline, (self.folder / "log").read_text()
            time.sleep(0.02)
        return self

    def is_up(self):
        return subprocess.run(self.command("psql", "-h", self.folder, "-Atc", "SELECT 1", "postgres"),
                              capture_output=True, cwd=self.folder).returncode == 0

    def sql(self, text, database="postgres"):
        return self.run("psql", "-h", self.folder, "-AtX", "-v", "ON_ERROR_STOP=1", "-c", text, database).stdout.strip()

    def url(self, database="postgres"):
        return f"postgresql://{USER}@/{database}?host={self.folder}"

    def kill(self):
        """As a loss of power: all its processes at once."""
        self.process.kill()
        self.process.wait()

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)  # "fast": no client is waited for
            self.process.wait(30)

    def close(self):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
