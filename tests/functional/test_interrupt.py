"""Who gives up waiting for a command is told that it may go on all the same."""
import signal
import socket
import subprocess


def test_an_interrupted_client_says_that_the_command_may_go_on(build, tmp_path):
    path = str(tmp_path / "socket")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen()
        server.settimeout(60)
        client = subprocess.Popen([f"{build}/tools/cradlectl", "-s", path, "reload"], text=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        accepted, _ = server.accept()
        with accepted:
            accepted.settimeout(60)
            assert accepted.recv(4)  # the request is there, and will not be answered
            client.send_signal(signal.SIGINT)
            _, said = client.communicate(timeout=60)
    assert client.returncode == -signal.SIGINT
    assert "may still be carried out" in said and "cradlectl status" in said
