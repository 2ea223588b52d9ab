"""What devices say became of them (cradlestorm --outcomes), held against what the appliance reports."""
import csv

APART_MS = 500  # the generator's clock goes by the processor's, and not quite with the wall's


def read(file):
    """The rows, by endpoint."""
    with open(file, newline="", encoding="utf8") as stream:
        return {row["endpoint"]: row for row in csv.DictReader(stream)}


def finished(rows):
    """All runs that devices finished."""
    return sum(int(row["finished"]) for row in rows.values())


def runs_of(ask, task):
    """Runs of a task by the appliance's count, all versions together. `ask`: the result of a command."""
    return sum(version["runs"] for version in ask("task", "show", task)["versions"])


def unreported(ask, task, rows):
    """Devices whose last run went well by their own view, while the appliance has no report of it: its last one is of
    another outcome, or began before the device did."""
    reports = {report["device"]: report
               for report in ask("task", "reports", "--limit", str(len(rows)), task)["reports"]}

    def is_missing(row):
        report = reports.get(row["endpoint"])
        return not report or report["status"] != "Success" or report["started_ms"] + APART_MS < int(row["last_began_ms"])
    return [name for name, row in rows.items() if row["last"] == "done" and is_missing(row)]
