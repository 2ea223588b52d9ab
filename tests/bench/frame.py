"""What a benchmark is called with, and how it says its figures."""
import argparse
import json
import os
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/functional"))  # the stage is the tests'


def why_not(postgres=False):
    """Why it cannot be made on this machine, or None."""
    if os.geteuid() != 0:
        return "needs root, as it makes a namespace"
    if postgres and not list(pathlib.Path("/usr/lib/postgresql").glob("*/bin")):
        return "needs PostgreSQL (apt-get install postgresql)"
    return None


def run(name, measure, options=(), postgres=False):
    """Measures, and tells `measure(options)`'s figures; `options`: (name, arguments of argparse) beside those that all have.
    The exit code."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--build-dir", required=True, type=os.path.abspath)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json")
    for option, arguments in options:
        parser.add_argument(option, **arguments)
    given = parser.parse_args()
    reason = why_not(postgres)
    if reason:
        print(f"{name}: left out: {reason}")
        return 0
    figures = measure(given)
    for key, value in figures.items():
        print(f"{key:32} {value:12.2f}")
    if given.json:
        pathlib.Path(given.json).write_text(json.dumps(figures))
    return 0
