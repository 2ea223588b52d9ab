#!/usr/bin/python3
"""Shows a test device's dialogue to a person, and checks what was written against what was expected.

usage: lwm2m_client ... | show_dialogue.py [PATH=VALUE...]

PATH is a resource (/0/2/3), VALUE its text, or an integer where the resource is one (1, 2, 10 of object 0; 0, 1 of
object 1). Exit code 0 only if the device finished and every expected resource was written with that value.
"""
import json
import sys

import lwm2m

NAMES = {
    0: {0: "LwM2M Server URI", 1: "Bootstrap-Server", 2: "Security Mode", 3: "Public Key or Identity",
        4: "Server Public Key", 5: "Secret Key", 10: "Short Server ID"},
    1: {0: "Short Server ID", 1: "Lifetime", 6: "Notification Storing", 7: "Binding"},
}
INTEGERS = {(0, 1), (0, 2), (0, 10), (1, 0), (1, 1), (1, 6)}
SECRET = {(0, 5)}


def shown(obj, res, value):
    if (obj, res) in SECRET:
        return f"({len(value)} bytes, not shown)"
    if (obj, res) in INTEGERS:
        return str(lwm2m.integer(value))
    return repr(value.decode("utf-8", "backslashreplace"))


def plain(obj, res, value):
    return str(lwm2m.integer(value)) if (obj, res) in INTEGERS else value.decode("utf-8", "backslashreplace")


def main():
    expected = dict(argument.split("=", 1) for argument in sys.argv[1:])
    written, result = {}, None
    for line in sys.stdin:
        event = json.loads(line)
        if event["event"] == "reply":
            print(f"  device -> POST /bs                         <- {event['code']}")
        elif event["event"] == "operation":
            payload = bytes.fromhex(event["payload"])
            size = f"{len(payload)} bytes, format {event['format']}" if payload else ""
            print(f"  {event['method']:6} {event['path']:8} {size:26} -> {event['answer']}")
            parts = [int(p) for p in event["path"].strip("/").split("/") if p.isdigit()]
            if event["method"] == "PUT" and event["format"] == 11542 and len(parts) == 2:
                for res, value in lwm2m.resources(payload).items():
                    name = NAMES.get(parts[0], {}).get(res, "")
                    print(f"           /{parts[0]}/{parts[1]}/{res:<3} {name:24} {shown(parts[0], res, value)}")
                    written[f"{event['path']}/{res}"] = plain(parts[0], res, value)
        elif event["event"] == "end":
            result = event["result"]
        sys.stdout.flush()
    wrong = [path for path, value in expected.items() if written.get(path) != value]
    for path in wrong:
        print(f"  {path} was not written as the task says")
    print(f"  the device says: {result}" + ("" if wrong else ", with the values of the task" if expected else ""))
    return 0 if result == "finished" and not wrong else 1


if __name__ == "__main__":
    sys.exit(main())
