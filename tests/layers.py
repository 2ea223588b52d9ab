"""The layers of the source tree: which files belong together, and which others they may use.

One table for tests/check-includes (what is included), tests/check-calls (what is called) and tests/draw-layers (the
drawing). A layer names the files that it holds (a folder, or files by name; the longest match wins) and the layers
that it may include, and says why. **An entry may name only entries above it**, so no rule can make a circle; a name
that ends in `/` stands for every layer above that begins so. Within a layer files may include each other.
"""
import collections
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parent.parent
FOLDERS = ("tasks", "dataplane", "control", "tools")

Layer = collections.namedtuple("Layer", "name holds may reason")

LAYERS = (
    # The task language: from files to bytes.
    Layer("tasks/batch.h", ["tasks/batch.h", "tasks/coap_numbers.h"], [],
          "the finished product of tasks/ and the numbers in it: all of tasks/ that the dataplane sees"),
    Layer("tasks/utf8", ["tasks/utf8.", "tasks/show.", "tasks/diag."], [],
          "text is UTF-8, and a mistyped word has a nearest one, in every program: the client and the storm share it"),
    Layer("tasks/ground", ["tasks/"], ["tasks/batch.h", "tasks/utf8"],
          "memory, text, numbers and diagnostics: knows nothing of LwM2M"),
    Layer("tasks/objects", ["tasks/objects/"], ["tasks/ground", "tasks/utf8"],
          "what LwM2M defines, whatever bytes or tasks are made of it"),
    Layer("tasks/content", ["tasks/content/"], ["tasks/batch.h", "tasks/ground", "tasks/utf8", "tasks/objects"],
          "payload formats need types of resources, not who asked for them"),
    Layer("tasks/expr", ["tasks/expr/"], ["tasks/ground", "tasks/utf8", "tasks/content"],
          "expressions take apart what devices answered, and know no task"),
    Layer("tasks/model", ["tasks/model/"], ["tasks/"],
          "a task is read and checked without any device"),
    Layer("tasks/compile", ["tasks/compile/"], ["tasks/"],
          "a task and a device become a batch: the top of tasks/"),

    # The dataplane: bytes, time and a context in, an outcome out.
    Layer("dataplane/core/ground", ["dataplane/core/"], [],
          "the cursor, the counters, a peer's address: needs nothing"),
    Layer("dataplane/core/crypto", ["dataplane/core/crypto/"], ["dataplane/core/ground"],
          "ciphers, hashes and random numbers know no protocol"),
    Layer("dataplane/core/tables", ["dataplane/core/tables/"],
          ["dataplane/core/ground", "dataplane/core/crypto", "tasks/batch.h"],
          "stores that are keyed by bytes; the directory hands out batches"),
    Layer("dataplane/core/dtls", ["dataplane/core/dtls/"], ["dataplane/core/ground", "dataplane/core/crypto"],
          "records and handshakes know neither CoAP nor sessions"),
    Layer("dataplane/ec", ["dataplane/ec/"],
          ["dataplane/core/ground", "dataplane/core/crypto", "dataplane/core/dtls"],
          "elliptic curves and certificates, on helper threads: no worker and no policy, the dataplane's one place of libcrypto"),
    Layer("dataplane/core/coap", ["dataplane/core/coap/"],
          ["dataplane/core/ground", "dataplane/core/tables", "tasks/batch.h"],
          "messages, blocks and exchanges know neither DTLS nor bootstrap; an answer in blocks lies in the answer pool"),
    Layer("dataplane/core/sessions",
          ["dataplane/core/sessions/"], ["dataplane/core/", "tasks/batch.h"],
          "one peer, its association and what leaves for it; stack_state.h is what all parts of a stack share"),
    Layer("dataplane/core/bootstrap", ["dataplane/core/bootstrap/"],
          ["dataplane/core/ground", "dataplane/core/crypto", "dataplane/core/coap", "dataplane/core/tables",
           "dataplane/core/sessions", "tasks/batch.h"],
          "the dialogue is the same with and without DTLS, so it sees no record"),
    Layer("dataplane/core/secured", ["dataplane/core/secured/"], ["dataplane/core/"],
          "records in: opens them and hands what they hold to the dialogue"),
    Layer("dataplane/core/stack", ["dataplane/core/stack.", "dataplane/core/stack_"], ["dataplane/core/"],
          "the top of the core: decides who takes a datagram, and what passes to the next process"),
    Layer("dataplane/dataplane.h", ["dataplane/dataplane.h"],
          ["dataplane/core/ground", "dataplane/core/tables", "dataplane/core/coap", "dataplane/core/sessions",
           "dataplane/core/stack"],
          "the facade: all that control may know of the polled side"),
    Layer("dataplane/io", ["dataplane/io/"], ["dataplane/", "tasks/batch.h"],
          "ports and workers around the core; the only place that knows DPDK"),

    # The control thread.
    Layer("control/buffer", ["control/buffer."], [],
          "bytes that are wiped: the client has it with the protocol"),
    Layer("control/socket/ctl_proto", ["control/socket/ctl_proto."], ["control/buffer", "tasks/utf8"],
          "the protocol is all that cradlectl shares with the daemon"),
    Layer("control/guard", ["control/guard/"], ["tasks/ground"],
          "what threads may do, whatever they are for"),
    Layer("control/ground", ["control/"], ["control/guard", "control/buffer", "dataplane/dataplane.h", "tasks/ground", "tasks/utf8"],
          "log, clock, buffers, addresses, the loop: knows no policy and no device"),
    Layer("control/socket", ["control/socket/"], ["control/buffer", "control/ground", "control/socket/ctl_proto", "tasks/utf8"],
          "carries commands without knowing any"),
    Layer("control/settings",
          ["control/config/conf_text.", "control/config/conf_precheck.", "control/config/config_addresses.h", "control/config/setting.",
           "control/config/settings_read."],
          ["control/ground", "dataplane/dataplane.h", "tasks/ground", "tasks/utf8"],
          "files of settings by a schema, whichever program's"),
    Layer("control/config", ["control/config/"],
          ["control/ground", "control/settings", "control/socket", "control/socket/ctl_proto", "dataplane/dataplane.h", "tasks/ground",
           "tasks/utf8"],
          "settings are read before anything runs"),
    Layer("control/inventory", ["control/inventory/"],
          ["control/buffer", "control/ground", "dataplane/dataplane.h", "tasks/"],
          "devices exist whatever the policy makes of them"),
    Layer("control/policy", ["control/policy/"],
          ["control/ground", "control/settings", "control/config", "control/inventory", "dataplane/dataplane.h",
           "dataplane/ec", "tasks/"],
          "groups, servers and tasks as read from files; knows no run"),
    Layer("control/store", ["control/store/"], ["control/buffer", "control/ground", "control/guard", "control/inventory", "tasks/ground"],
          "keeps devices and reports on disk, and decides nothing"),
    Layer("control/cluster", ["control/cluster/"],
          ["control/buffer", "control/ground", "control/guard", "control/inventory", "control/store", "dataplane/dataplane.h",
           "tasks/ground"],
          "what appliances share through a database: carries devices, and knows no run and no policy"),
    Layer("control/audit", ["control/audit/"], ["control/ground", "control/guard", "tasks/ground"],
          "keeps who changed what, and knows neither commands nor devices"),
    Layer("control/delivery", ["control/delivery/"],
          ["control/buffer", "control/ground", "control/guard", "control/settings", "control/store", "tasks/ground",
           "tasks/utf8"],
          "tells other systems what the store keeps for them; knows no device and no run, and is the one place of libcurl"),
    Layer("control/handover", ["control/handover/"], ["control/ground"],
          "carries what one process passes to the next, without knowing any of it"),
    Layer("control/runs", ["control/runs/"],
          ["control/buffer", "control/ground", "control/config", "control/cluster", "control/delivery",
           "control/inventory", "control/policy", "control/store", "dataplane/dataplane.h", "dataplane/ec", "tasks/"],
          "serves devices; takes what it needs as parameters, never the daemon"),
    Layer("control/standby", ["control/service_files.", "control/standby."],
          ["control/ground", "control/audit", "control/config", "control/handover", "control/policy", "control/runs", "control/store",
           "dataplane/dataplane.h"],
          "one process after the other: what may have one owner at a time, and what passes"),
    Layer("control/daemon.h", ["control/daemon.h"], ["control/", "dataplane/dataplane.h", "dataplane/ec"],
          "the struct that owns everything; what may name it stands below"),
    Layer("control/commands", ["control/commands/"], ["control/", "dataplane/dataplane.h", "dataplane/ec", "tasks/"],
          "what an operator may ask of the daemon"),
    Layer("control/main", ["control/main.", "control/daemon.c", "control/daemon_", "control/startup."],
          ["control/", "dataplane/dataplane.h", "dataplane/ec", "tasks/"],
          "starts, runs and ends everything"),

    # Programs beside it.
    Layer("tools/client", ["tools/client/"], ["control/buffer", "control/socket/ctl_proto"],
          "a client's side of the control protocol, whatever it is used for"),
    Layer("tools/web", ["tools/web/"],
          ["tools/client", "control/buffer", "control/socket/ctl_proto", "control/settings", "control/ground",
           "tasks/ground", "tasks/utf8"],
          "HTTP in front of the control protocol: shares the loop, the log and files of settings, and knows no device"),
    Layer("tools/cradlectl", ["tools/cradlectl"], ["tools/client", "control/buffer", "control/socket/ctl_proto", "tasks/utf8"],
          "the client speaks the protocol, nothing else"),
    Layer("tools/storm", ["tools/storm/"], ["dataplane/", "tasks/utf8"],
          "a device of its own on the dataplane's ports and codecs; knows nothing of control/"),
)

# All that control may know of the polled side; what it includes is handed on with it.
FACADE = "dataplane/dataplane.h"

# Only these name the struct that owns everything: what lies lower takes what it needs as parameters.
DAEMON_NAMED_BY = ("control/main", "control/daemon.h", "control/commands")

# (file or folder, what it includes or calls) -> why that is right although the table says otherwise.
EXCEPTIONS = {}

# Functions of libraries that we define anew for another library's sake: who calls one means the library's.
OF_LIBRARIES = {
    "connect",  # tools/storm/memif_connect.c
    "rte_intr_callback_register", "rte_intr_callback_unregister",
    "rte_intr_callback_unregister_pending",  # dataplane/io/port_gate.c
}

# Files that call each other in a circle -> why that is harmless.
CIRCLES = {
    ("tasks/expr/expr_eval.c", "tasks/expr/expr_operators.c"):
        "a tree is evaluated by recursion: an operator evaluates its sides",
    ("tasks/expr/expr_parse.c", "tasks/expr/expr_roots.c"):
        "a grammar is recursive: a root takes expressions as arguments",
    ("control/commands/command_table.c", "control/commands/commands_complete.c", "control/commands/commands_help.c"):
        "help and completion are commands, and are made of the table of commands",
    ("tools/storm/device.c", "tools/storm/device_coap.c"):
        "one device in two files: what arrives, and what it leads to",
}


def layer_of(name):
    """The layer of a file, by the longest match, or None."""
    best, length = None, -1
    for layer in LAYERS:
        for prefix in layer.holds:
            if name.startswith(prefix) and len(prefix) > length:
                best, length = layer, len(prefix)
    return best


def may_use(user, used):
    """Whether a layer may include or call another."""
    if user is used:
        return True
    above = LAYERS[:LAYERS.index(user)]
    return used in above and any(used.name == m or (m.endswith("/") and used.name.startswith(m)) for m in user.may)


def excepted(name, other):
    """The key of the exception that lets a file use another, or None."""
    for key in EXCEPTIONS:
        if name.startswith(key[0]) and other.startswith(key[1]):
            return key
    return None


def table_faults():
    """What is wrong with the table itself: rules that name nothing, or something that does not stand above."""
    seen = []
    for layer in LAYERS:
        for m in layer.may:
            if not any(s == m or (m.endswith("/") and s.startswith(m)) for s in seen):
                yield f"{layer.name} may include {m}, which names no layer above it"
        seen.append(layer.name)


def sources():
    """Every .c, .h and .def file of the layers, as (name, text)."""
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.[ch]")):
            yield path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")


def includes(text):
    """(line number, header) of what a file includes of the project."""
    for number, line in enumerate(text.splitlines(), 1):
        match = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
        if match:
            yield number, match.group(1)
