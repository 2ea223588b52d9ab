"""`meson install`: everything is where the unit file, the manual and a shell look for it."""
import configparser
import os
import re
import shutil
import subprocess

import pytest

from conftest import ROOT


class UnitFile(configparser.RawConfigParser):
    optionxform = staticmethod(str)


@pytest.fixture(scope="module")
def installed(build, tmp_path_factory):
    """The folder that stands for /, and the prefix below it."""
    folder = tmp_path_factory.mktemp("installed")
    subprocess.run(["meson", "install", "-C", build, "--no-rebuild", "--destdir", folder], check=True,
                   capture_output=True)
    unit = next(folder.rglob("cradle.service"))
    return folder, unit.parent.parent.parent.parent


def test_the_unit_file_starts_what_was_installed(installed):
    folder, prefix = installed
    unit = UnitFile(strict=False)
    unit.read(prefix / "lib/systemd/system/cradle.service")
    service = unit["Service"]
    for key in ("ExecStartPre", "ExecStart", "ExecReload"):
        program = service[key].split()[0]
        assert os.access(f"{folder}{program}", os.X_OK), f"{key}: {program} was not installed"
    # What the sample configuration names must be writable under ProtectSystem=strict.
    settings = (ROOT / "conf/cradle.conf").read_text()
    assert re.search(r'socket = "/run/cradle/', settings) and service["RuntimeDirectory"] == "cradle"
    assert re.search(r'store = "/var/lib/cradle/', settings) and service["StateDirectory"] == "cradle"
    assert "-/etc/cradle" in service["ReadWritePaths"].split()


def test_the_console_is_where_its_program_looks_for_it(installed):
    folder, prefix = installed
    pages = prefix / "share/cradle/console"
    assert {"index.html", "app.js", "console.css", "pages"} <= {path.name for path in pages.iterdir()}
    settings = subprocess.run([prefix / "sbin/cradle-web", "--help-settings"], text=True, capture_output=True, check=True).stdout
    assert f"{pages}".removeprefix(str(folder)) in settings
    users = (prefix / "lib/sysusers.d/cradle.conf").read_text()
    assert "u cradle-web" in users and "m cradle-web cradle" in users
    assert "User=cradle-web" in (prefix / "lib/systemd/system/cradle-web.service").read_text()


def test_the_installed_sample_is_good_and_complete(installed, tmp_path):
    _, prefix = installed
    shutil.copytree(prefix / "share/cradle/conf", tmp_path / "conf")
    done = subprocess.run([prefix / "sbin/cradled", "--check", "-c", tmp_path / "conf/cradle.conf"], text=True,
                          capture_output=True)
    assert done.returncode == 0 and "warning" not in done.stdout + done.stderr, done.stdout + done.stderr
    assert (tmp_path / "conf/policy/tasks/reference-task.xml").exists() and (tmp_path / "conf/devices.csv").exists()


def test_the_client_finds_its_daemon_and_the_shell_its_words(installed):
    _, prefix = installed
    done = subprocess.run([prefix / "bin/cradlectl", "-s", "/none", "help", "manual"], text=True, capture_output=True)
    assert done.returncode == 0 and "SETTINGS OF cradle.conf" in done.stdout
    completion = prefix / "share/bash-completion/completions/cradlectl"
    subprocess.run(["bash", "-c", f". {completion} && complete -p cradlectl"], check=True, capture_output=True)
    assert subprocess.run([prefix / "bin/cradlestorm", "--help"], capture_output=True).returncode == 0


@pytest.mark.parametrize("option", ["--version", "-V"])
def test_every_program_tells_its_version(installed, option):
    _, prefix = installed
    for program in ("sbin/cradled", "bin/cradlectl", "bin/cradlestorm"):
        done = subprocess.run([prefix / program, option], text=True, capture_output=True)
        name = program.partition("/")[2]
        assert done.returncode == 0 and re.fullmatch(rf"{name} \d+\.\d+\.\d+\n", done.stdout), done


def test_manual_pages_say_what_the_programs_say(installed):
    _, prefix = installed
    pages = {page.name: page for page in prefix.rglob("*.[158]") if "man" in page.parent.name}
    assert sorted(pages) == ["cradle-web.8", "cradle-web.conf.5", "cradle.conf.5", "cradlectl.1", "cradled.8",
                             "cradlestorm.1", "groups.conf.5", "outbox.conf.5", "servers.conf.5", "trust.conf.5"]
    for page in pages.values():
        done = subprocess.run(["groff", "-man", "-Kutf8", "-Tutf8", "-ww", "-P-cbou", page], text=True,
                              capture_output=True)
        assert done.returncode == 0 and not done.stderr, done.stderr
        shown = " ".join(done.stdout.replace("\N{HYPHEN}\n", "").split())
        assert "NAME " + page.stem in shown.replace("\N{HYPHEN}", "-")
    source = pages["cradlectl.1"].read_text().replace("\\-", "-")
    table = subprocess.run([prefix / "sbin/cradled", "--command-table"], text=True, capture_output=True).stdout
    commands = [line.split("  ")[0].split(" [")[0].rstrip() for line in table.splitlines()[1:] if line and line[0].islower()]
    assert len(commands) > 30
    for command in commands:
        words = " ".join(word for word in command.split() if word.islower())
        assert f".B {words}" in source, words


def test_each_installed_file_is_in_one_debian_package(installed):
    _, prefix = installed
    listed = [line for name in ("cradle", "cradle-web", "cradle-tools")
              for line in (ROOT / f"conf/debian/{name}.install").read_text().split()]
    assert len(listed) == len(set(listed))
    for path in prefix.rglob("*"):
        if path.is_file():
            name = f"usr/{path.relative_to(prefix)}"
            packages = [line for line in listed if name == line or name.startswith(line + "/")]
            assert len(packages) == 1, f"{name} is in {packages or 'no package'}"


def test_packages_are_built_with_what_the_scripts_install():
    control = (ROOT / "conf/debian/control").read_text()
    listed = re.search(r"^Build-Depends:(.*?)^Standards", control, re.S | re.M)[1]
    names = {name.split("(")[0].strip() for name in listed.split(",")}
    scripts = subprocess.run(["bash", "-c", f". {ROOT}/tools/lib.sh && printf '%s\\n' ${{build_packages[@]}}"], check=True,
                             text=True, capture_output=True).stdout.split()
    # Every Debian machine that builds has gcc; debhelper and what it calls are the packages' own.
    assert names - {"debhelper-compat", "dh-sequence-installsysusers", "python3"} == set(scripts) - {"gcc", "libc6-dev"}
