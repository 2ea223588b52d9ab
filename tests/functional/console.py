"""cradle-web with users, as tests of the console use it: a client that keeps cookies and the token of its session."""
import contextlib
import http.client
import json
import os
import subprocess
import urllib.parse

from conftest import ROOT
from test_web import Web

PASSWORD = "correct horse battery"
USERS = {"vera": "viewer", "otto": "operator", "otis": "operator", "sina": "security"}


class Answer:
    def __init__(self, answer):
        self.status, self.headers, self.text = answer.status, answer.headers, answer.read().decode()

    @property
    def json(self):
        return json.loads(self.text)


class Person:
    """A browser without pages: cookies, and the session's token in every change."""

    def __init__(self, port, name=None, password=PASSWORD, token=None):
        self.port, self.cookie, self.csrf, self.token = port, None, None, token
        if name:
            answer = self.login(name, password)
            assert answer.status == 201, answer.text

    def login(self, name, password=PASSWORD):
        answer = self.send("POST", "/session", {"name": name, "password": password})
        if answer.status == 201:
            self.cookie = answer.headers["Set-Cookie"].split(";")[0]
            self.csrf = answer.json["csrf"]
        return answer

    def send(self, method, path, body=None, headers=None, raw=None):
        send = {"Host": f"127.0.0.1:{self.port}"}
        if self.cookie:
            send["Cookie"] = self.cookie
        if self.csrf and method != "GET":
            send["X-CSRF-Token"] = self.csrf
        if self.token:
            send["Authorization"] = f"Bearer {self.token}"
        if body is not None or raw is not None:
            send["Content-Type"] = "application/json"
        send.update(headers or {})
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        with contextlib.closing(connection):
            connection.request(method, path if path.startswith("//") else "/api/v1" + path,
                               body=raw if raw is not None else None if body is None else json.dumps(body),
                               headers={k: v for k, v in send.items() if v is not None})
            return Answer(connection.getresponse())

    def get(self, path, **query):
        query = {k: v for k, v in query.items() if v is not None}
        return self.send("GET", path + ("?" + urllib.parse.urlencode(query) if query else ""))


class Console(Web):
    """The program with its pages, and the users of a file's text."""

    def __init__(self, build, folder, control, users, settings="", pages=ROOT / "tools/web/console", program=None, uid=None, **options):
        self.users_file = folder / "users"
        self.users_file.write_text(users)
        self.users_file.chmod(0o600)
        self.build = build
        if uid is not None:
            for path in (folder, self.users_file):
                os.chown(path, uid, uid)
            options.update(user=uid, group=uid, extra_groups=[], env={})
        web_settings = (f'console = {{ folder = "{pages}"; users = "{self.users_file}"; }};\n' + settings)
        self.settings_file = folder / "users.conf"
        self.settings_file.write_text(web_settings)
        super().__init__(build, folder, web_settings, control=control, program=program, **options)

    @classmethod
    @contextlib.contextmanager
    def serving(cls, *args, **options):
        """One that ends well, unless the test has ended it."""
        one = cls(*args, **options)
        yield one
        if one.process.poll() is None:
            assert one.stop() == 0, one.log

    @classmethod
    def again(cls, other):
        """Another start of the same, with its file of settings as it is now."""
        one = cls.__new__(cls)
        one.__dict__.update(other.__dict__)
        one.start()
        return one

    @staticmethod
    def make_users(build, folder, roles):
        """The text of a users file: name -> role, all with one password."""
        (folder / "make.conf").write_text(f'console = {{ users = "{folder}/made"; }};\n')
        for name, role in roles.items():
            subprocess.run([f"{build}/tools/web/cradle-web", "-c", folder / "make.conf", "user", "add", name, "--role", role,
                            "--password-file", "-"], input=PASSWORD + "\n", text=True, check=True)
        return (folder / "made").read_text()

    def user(self, *words, code=0, **options):
        done = subprocess.run([f"{self.build}/tools/web/cradle-web", "-c", self.settings_file, "user", *words],
                              text=True, capture_output=True, **options)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def person(self, name=None, **options):
        return Person(self.port, name, **options)
