"""The generator beside an appliance, waited for with a bound: who hangs is told where everybody stands."""
import json
import pathlib
import subprocess
import sys
import time

GRACE_S = 120  # devices give up sooner


def threads_of(pid):
    """What each thread of a process does: its name, state, where in the kernel it waits, and its time on a CPU."""
    lines = []
    for task in sorted(pathlib.Path(f"/proc/{pid}/task").iterdir(), key=lambda path: int(path.name)):
        try:
            name = (task / "comm").read_text().strip()
            state, *_, user, system = (task / "stat").read_text().rpartition(")")[2].split()[:13]
            wait = (task / "wchan").read_text() or "0"
        except OSError:  # it has ended
            continue
        lines.append(f"    {name:16} {state} in {wait}, {int(user) + int(system)} ticks")
    return "\n".join(lines)


class Storm:
    """cradlestorm, started. Its report goes into a file: a pipe that nobody empties meanwhile would stop it."""

    def __init__(self, appliance, command, lasts_s, **options):
        self.appliance, self.until = appliance, time.monotonic() + lasts_s + GRACE_S
        self.file = appliance.folder / f"report-{time.monotonic_ns()}"
        self.errors = open(self.file.with_suffix(".log"), "w+")
        self.process = subprocess.Popen([*command, "--json", self.file], stdout=subprocess.DEVNULL, stderr=self.errors, **options)

    def runs(self):
        """Whether it does; ends all of us when it should have ended long ago."""
        if self.process.poll() is not None:
            return False
        if time.monotonic() > self.until:
            self.give_up()
        return True

    def give_up(self):
        status = self.appliance.ctl("status")
        links = "it does not answer" if status is None else "\n".join(
            f"    port {port['device']}: {port['link']}" for port in status["ports"])
        text = (f"the generator has not ended {GRACE_S} s after its time.\n  appliance:\n{links}\n"
                f"{threads_of(self.appliance.process.pid)}\n  generator:\n{threads_of(self.process.pid)}")
        self.process.kill()
        self.process.wait()
        sys.exit(f"{text}\n  it said: {self.said()}\n  the appliance's log ends:\n"
                 + (self.appliance.folder / "log").read_text()[-2000:])

    def said(self):
        self.errors.seek(0)
        return self.errors.read()[-2000:]

    def stop(self):
        self.process.terminate()

    def report(self):
        """Waits for its end."""
        while self.runs():
            time.sleep(0.02)
        if not self.file.exists():
            sys.exit("cradlestorm failed: " + self.said())
        report = json.loads(self.file.read_text())
        self.file.unlink()
        self.errors.close()
        return report
