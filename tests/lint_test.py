#!/usr/bin/python3
"""Checks the checks: what check-includes and check-calls must report, they report."""
import contextlib
import importlib.machinery
import importlib.util
import io
import os
import pathlib
import re
import shlex
import subprocess
import tempfile
import unittest

import layers


def load(name):
    path = pathlib.Path(__file__).resolve().parent / name
    loader = importlib.machinery.SourceFileLoader(name.replace("-", "_"), str(path))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return module


includes, calls, draw = load("check-includes"), load("check-calls"), load("draw-layers")


def compiled(sources):
    """What check-calls makes of these sources: name -> text."""
    with tempfile.TemporaryDirectory() as folder:
        found = {}
        for number, (name, text) in enumerate(sources.items()):
            output = pathlib.Path(folder) / f"{number}.o"
            subprocess.run([*shlex.split(os.environ.get("CC", "cc")), "-x", "c", "-c", "-w", "-o", output, "-"],
                           input=text, text=True, check=True)
            found[output] = name
        return calls.graph(*calls.symbols(found))


def reported(graph, allowed=()):
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        bad = calls.report(graph, allowed)
    return bad, out.getvalue()


class Table(unittest.TestCase):
    def test_no_rule_of_the_table_points_at_itself_or_below(self):
        self.assertEqual(list(layers.table_faults()), [])

    def test_every_source_file_is_of_a_layer(self):
        self.assertEqual([name for name, _ in layers.sources() if not layers.layer_of(name)], [])

    def test_the_longest_match_wins(self):
        self.assertEqual(layers.layer_of("tasks/batch.h").name, "tasks/batch.h")
        self.assertEqual(layers.layer_of("tasks/arena.c").name, "tasks/ground")
        self.assertEqual(layers.layer_of("dataplane/core/stack.c").name, "dataplane/core/stack")


class Includes(unittest.TestCase):
    def faults(self, name, text):
        return [reason for _, reason in includes.check_includes(name, text, set())]

    def test_an_include_that_points_up_is_reported(self):
        found = self.faults("tasks/arena.c", '#include "tasks/compile/compile.h"\n')
        self.assertEqual(len(found), 1)
        self.assertIn("tasks/ground may not include tasks/compile", found[0])

    def test_an_include_of_no_layer_is_reported(self):
        self.assertEqual(len(self.faults("tasks/arena.c", '#include "arena.h"\n')), 1)

    def test_a_file_of_no_layer_is_reported(self):
        self.assertEqual(len(self.faults("lib/new.c", "")), 1)

    def test_an_include_within_the_rules_is_not(self):
        self.assertEqual(self.faults("tasks/expr/expr.h", '#include "tasks/arena.h"\n'), [])

    def test_the_daemon_is_named_at_the_top_only(self):
        text = "int f(struct daemon *d);\n"
        self.assertEqual(len(list(includes.check_daemon("control/store/store.c", text))), 1)
        self.assertEqual(list(includes.check_daemon("control/commands/show.c", text)), [])
        self.assertEqual(list(includes.check_daemon("control/store/store.c", "/* struct daemon owns it */\n")), [])


class Calls(unittest.TestCase):
    CIRCLE = {
        "tasks/one.c": "int two(void); int one(void) { return two(); }",
        "tasks/two.c": "int three(void); int two(void) { return three(); }",
        "tasks/three.c": "int one(void); int three(void) { return one(); }",
        "tasks/four.c": "int one(void); int four(void) { return one(); }",
    }

    def test_a_circle_is_reported_with_the_names_that_tie_it(self):
        bad, text = reported(compiled(self.CIRCLE))
        self.assertEqual(bad, 1)
        self.assertIn("3 files call each other in a circle: tasks/one.c tasks/three.c tasks/two.c", text)
        self.assertIn("tasks/two.c -> tasks/three.c: three", text)
        self.assertNotIn("four", text)

    def test_an_allowed_circle_is_not(self):
        bad, _ = reported(compiled(self.CIRCLE), {("tasks/one.c", "tasks/two.c", "tasks/three.c"): "recursion"})
        self.assertEqual(bad, 0)

    def test_a_circle_with_one_file_more_than_is_allowed_is_reported(self):
        bad, _ = reported(compiled(self.CIRCLE), {("tasks/one.c", "tasks/two.c"): "recursion"})
        self.assertEqual(bad, 1)

    def test_an_allowed_circle_that_is_none_is_reported(self):
        one = {"tasks/one.c": "int one(void) { return 1; }", "tasks/two.c": "int two(void) { return 2; }"}
        allowed = {tuple(one): "recursion"}
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            self.assertEqual(calls.report(compiled(one), allowed, one), 1)
            self.assertEqual(calls.report(compiled(one), allowed, ["tasks/one.c"]), 0)  # the other is not built
        self.assertIn("no circle any more", out.getvalue())

    def test_a_circle_through_a_table_of_functions_is_reported(self):
        bad, _ = reported(compiled({
            "tasks/one.c": "int two(void); int (*const table[])(void) = {two};",
            "tasks/two.c": "extern int (*const table[])(void); int two(void) { return table[0](); }",
        }))
        self.assertEqual(bad, 1)

    def test_a_call_that_points_up_is_reported_though_nothing_is_included(self):
        bad, text = reported(compiled({
            "tasks/low.c": "int lint_high(void); int low(void) { return lint_high(); }",
            "tasks/compile/high.c": "int lint_high(void) { return 1; }",
        }))
        self.assertEqual(bad, 1)
        self.assertIn("tasks/low.c calls lint_high of tasks/compile/high.c", text)

    def test_what_the_facade_includes_may_be_called_through_it(self):
        call = "int counter_infos(void); int use(void) { return counter_infos(); }"
        ground = {"dataplane/core/counters.c": "int counter_infos(void) { return 1; }"}
        self.assertEqual(reported(compiled({"control/commands/show.c": call, **ground}))[0], 0)
        self.assertEqual(reported(compiled({"tasks/arena.c": call, **ground}))[0], 1)


class Drawing(unittest.TestCase):
    def test_an_arrow_that_follows_from_others_is_left_out(self):
        found = dict.fromkeys((layer.name for layer in layers.LAYERS), set())
        found["tasks/objects"] = {"tasks/ground", "tasks/utf8"}
        found["tasks/ground"] = {"tasks/utf8"}
        reduced = draw.reduced(found)
        self.assertEqual(reduced["tasks/objects"], {"tasks/ground"})
        self.assertEqual(reduced["tasks/ground"], {"tasks/utf8"})

    def test_a_drawing_of_other_sources_is_refused(self):
        self.assertIsNotNone(draw.check(draw.drawing() + "// one include more"))


class FuzzOptions(unittest.TestCase):
    """What tools/fuzz answers before it installs or builds anything."""

    def ask(self, *arguments):
        return subprocess.run([layers.ROOT / "tools/fuzz", *arguments], capture_output=True, text=True, timeout=60)

    def refused(self, *arguments):
        answer = self.ask(*arguments)
        self.assertEqual((answer.returncode, answer.stdout), (2, ""))
        self.assertIn("Try: tools/fuzz --help", answer.stderr)
        return answer.stderr

    def test_an_unknown_option_is_refused(self):
        self.assertIn("unknown option --secnods", self.refused("--secnods", "1"))

    def test_seconds_want_a_number(self):
        for wrong in (["0"], ["-1"], ["1m"], [""], []):
            self.assertIn("--seconds wants a number", self.refused("--seconds", *wrong))

    def test_an_unknown_target_is_told_the_nearest(self):
        self.assertIn("no target 'stack_dlts'; the nearest is 'stack_dtls'", self.refused("--target", "stack_dlts"))
        self.assertNotIn("nearest", self.refused("--target", "0123456789"))
        self.assertIn("--target wants a name", self.refused("--target"))

    def test_help_names_every_option(self):
        answer = self.ask("--help")
        self.assertEqual((answer.returncode, answer.stderr), (0, ""))
        for option in ("--seconds N", "--target NAME", "--keep", "--coverage", "--help"):
            self.assertIn(option, answer.stdout)


class Security(unittest.TestCase):
    def test_every_test_that_it_names_is_there(self):
        text = (layers.ROOT / "SECURITY.md").read_text(encoding="utf-8")
        files = {path.name: path.read_text(encoding="utf-8") for folder in ("unit", "functional")
                 for path in (layers.ROOT / "tests" / folder).iterdir() if path.name.startswith("test_")}
        tests = {name for source in files.values() for name in re.findall(r"^(?:def |Test\(\w+, )(\w+)", source, flags=re.M)}
        named = set(re.findall(r"`((?:test|a|what)_\w+(?:\.c|\.py)?)`", text))
        self.assertGreater(len(named), 30)
        self.assertEqual(named - files.keys() - tests, set())


class Contributing(unittest.TestCase):
    TEXT = (layers.ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")

    def walks(self):
        """title -> the files of a walk, in order."""
        part = self.TEXT.partition("## Four walks")[2].partition("\n## ")[0]
        titles = re.split(r"^\*\*(.+)\*\*$", part, flags=re.M)[1:]
        return {title: re.findall(r"^\d+\. `([^`]+)`", text, flags=re.M) for title, text in zip(titles[::2], titles[1::2])}

    def test_every_file_and_folder_that_it_names_is_there(self):
        named = re.findall(r"`((?:tasks|dataplane|control|tools|tests|conf|docs)/[^`*{ ]*)`", self.TEXT)
        self.assertGreater(len(named), 60)
        self.assertEqual([name for name in named if "NAME" not in name and not (layers.ROOT / name).exists()], [])

    def test_no_line_is_longer_than_120_characters(self):
        text = self.TEXT + (layers.ROOT / "README.md").read_text(encoding="utf-8")
        self.assertEqual([line for line in text.splitlines() if len(line) > 120], [])

    def test_no_line_of_the_program_is_wider_than_130_columns(self):
        """100 is the rule; a comment that was written on may be some wider, but nobody scrolls sideways."""
        wide = [f"{path}:{number}" for top in ("control", "dataplane", "tasks", "tools") for path in (layers.ROOT / top).rglob("*.[ch]")
                for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1) if len(line.expandtabs(8)) > 130]
        self.assertEqual(wide, [])

    def test_readme_lists_every_event_of_the_log(self):
        """Collectors know events by their names, and whoever sets one up reads the table."""
        definitions = (layers.ROOT / "control/log_events.def").read_text(encoding="utf-8")
        events = re.findall(r'^LOG_EVENT\((\w+), "([^"]+)"\)$', definitions, flags=re.M)
        part = (layers.ROOT / "README.md").read_text(encoding="utf-8").partition("### The log\n")[2].partition("\n### ")[0]
        self.assertEqual(definitions.count("\nLOG_EVENT("), len(events))
        self.assertEqual(re.findall(r"^\| `(\w+)` \| (.+) \|$", part, flags=re.M), events)

    def test_every_event_of_the_log_is_told_somewhere(self):
        definitions = (layers.ROOT / "control/log_events.def").read_text(encoding="utf-8")
        told = "".join(path.read_text(encoding="utf-8") for top in ("control", "tools")
                       for path in (layers.ROOT / top).rglob("*.[ch]"))
        events = re.findall(r"^LOG_EVENT\((\w+),", definitions, flags=re.M)
        self.assertEqual([event for event in events if f"LOG_EVENT_{event}" not in told], [])

    def test_every_folder_of_sources_is_on_the_map(self):
        folders = {name.rpartition("/")[0] + "/" for name, _ in layers.sources()} - {"dataplane/"}
        self.assertEqual([folder for folder in sorted(folders) if f"| `{folder}` |" not in self.TEXT], [])

    def test_there_are_four_walks_and_none_is_long(self):
        walks = self.walks()
        self.assertEqual(len(walks), 4)
        for title, files in walks.items():
            self.assertLessEqual(len(files), 22, title)
            self.assertGreaterEqual(len(files), 8, title)
            self.assertEqual(len(files), len(set(files)), title)


if __name__ == "__main__":
    unittest.main()
