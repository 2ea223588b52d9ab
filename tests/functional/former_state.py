"""Lays what a former version left on the disk: former_state.py VERSION STORE POLICY."""
import pathlib
import shutil
import sqlite3
import sys

STATES = pathlib.Path(__file__).parent / "states"


def lay(version, store, policy):
    """The two files of the store, 0600 as they were, and the folder of the policy in place of what is there."""
    folder = STATES / version
    for name, suffix in (("inventory.sql", ""), ("reports.sql", "-reports")):
        path = pathlib.Path(f"{store}{suffix}")
        path.touch(0o600)
        with sqlite3.connect(path) as database:
            database.executescript((folder / name).read_text())
        database.close()
    shutil.rmtree(policy, ignore_errors=True)
    shutil.copytree(folder / "policy", policy)


if __name__ == "__main__":
    lay(*sys.argv[1:])
