#include "control/commands/commands.h"

/* Options that several commands take are declared once: whole arrays, or these parts of them. */

/* clang-format off */
/* The pre-shared key of a device. */
#define KEY_OPTIONS \
	{ "--key", "TEXT", "pre-shared key as text", .secret = true }, \
	{ "--key-hex", "HEX", "... or as hex", .secret = true }, \
	{ "--key-file", "FILE", "... or in a file, \"-\": standard input", .file = CTL_WANT_READ }, \
	{ "--key-hex-file", "FILE", "... or as hex in a file", .file = CTL_WANT_READ }, \
	{ "--no-key", NULL, "none: over NoSec, or with a certificate" }

/* What the device may do without its key. */
#define NOSEC_OPTION \
	{ "--nosec", "on|off", \
	  "on: served over NoSec although it has a key: to anyone who names it" }

/* The identity of a device that comes with a key or certificate of its own. */
#define HASH_OPTIONS \
	{ "--certificate", "FILE", "... its certificate, PEM or DER: it comes with this one alone", \
	  .file = true }, \
	{ "--raw-key", "FILE", "... its raw public key, PEM or DER, or a certificate with it", \
	  .file = true }

/* The identity of a new device. */
#define NEW_IDENTITY_OPTIONS \
	{ "--identity", "TEXT", \
	  "DTLS identity, \\xNN for any byte; the endpoint name without it" }, \
	{ "--identity-hex", "HEX", "... in hex" }, \
	HASH_OPTIONS

/* Where a new device belongs. */
#define NEW_PLACE_OPTIONS \
	{ "--groups", "A,B", "groups it is in; root without it" }, \
	{ "--domain", "TEXT", "where it belongs" }

/* Which part of a list. */
#define PART_OPTIONS \
	{ "--offset", "N", "leave out the first N" }, \
	{ "--cursor", "PLACE", "go on where \"next\" of the result says; \"\": from the beginning" }
#define PAGE_OPTIONS { "--limit", "N", "at most N; 100 without it" }, PART_OPTIONS
#define WHOLE_PAGE_OPTIONS { "--limit", "N", "at most N; all without it" }, PART_OPTIONS

/* Of what changes the policy. */
#define MESSAGE_OPTION { "--message", "TEXT", "why: kept with the version of the policy" }
#define CHANGE_OPTIONS \
	{ "--plan", NULL, "change nothing: say what it would do to every device" }, \
	MESSAGE_OPTION

/* The settings of a task that are the same for a new one and for one that is edited. */
#define TASK_OPTIONS \
	{ "--active", "on|off", "off: paused" }, \
	{ "--subgroups", "on|off", "also for devices of groups below" }, \
	{ "--priority", "N", "lower runs first; 10 without it" }, \
	{ "--repetition", "WORD", "repeat, once or repeat_without_report" }, \
	{ "--automatic-restart", "on|off", "off: repeats only when it is rerun" }, \
	{ "--condition", "TEMPLATE", "runs only where this is true" }, \
	{ "--min-interval", "S", "between two runs on a device" }, \
	{ "--schedule", "TIMES", "such as \"Mon-Fri 02:00-05:00, Sat 00:00-24:00\"" }, \
	{ "--bloodline", "NAME", "of one bloodline a device runs one task" }, \
	{ "--log-level", "LEVEL", "trace, debug, info, warning or error" }, \
	{ "--discard-details", "on|off", "reports carry no log" }, \
	{ "--comment", "TEXT", "for people" }
/* clang-format on */

static const struct command_option stats_options[] = {
	{ "--worker", "N", "of one worker" },
	{ "--all", NULL, "those at zero, too" },
};

static const struct command_option upgrade_options[] = {
	{ "--with", "CONFIG", "with this cradle.conf, a whole path; for root and the appliance's user" },
};

static const struct command_option phases_options[] = {
	{ "--worker", "N", "of one worker" },
};

static const struct command_option drain_options[] = {
	{ "--withdraw", "S",
	  "where health checks ask: seconds that routes may take to go after one failed (5)" },
};

/* Of those that say nothing else. */
static const struct command_option change_options[] = { CHANGE_OPTIONS };

static const struct command_option reload_options[] = {
	{ "--restart-if-needed", NULL,
	  "upgrade where settings need a restart, or another program was installed" },
	CHANGE_OPTIONS,
};

static const struct command_option server_options[] = {
	{ "--name", "TEXT", "for serverName in tasks; the id without it" },
	{ "--type", "TYPE", "management or bootstrap" },
	{ "--uri", "URI", "scheme and port come from the security mode where left out" },
	{ "--security", "MODE", "psk, nosec, certificate or rpk" },
	{ "--ssid", "N", "Short Server ID, 1 to 65534" },
	{ "--binding", "LETTERS", "of U, T, S, N, Q" },
	{ "--lifetime", "S", "of a registration" },
	{ "--store-notifications", "on|off", "while disabled or offline" },
	{ "--identity", "TEMPLATE", "of the psk; ${sv.managementId} without it" },
	{ "--psk", "TEMPLATE", "${string.secureRandom(24)} without it", true },
	{ "--psk-hex", "on|off", "the psk is given as hex digits" },
	{ "--public-key", "HEX|file:NAME", "the device's certificate or public key, DER" },
	{ "--server-public-key", "HEX|file:NAME", "the server's certificate or public key" },
	{ "--secret-key", "HEX|file:NAME", "the device's private key, PKCS#8", true },
	{ "--security-instance", "N", "of object 0; the SSID without it" },
	{ "--server-instance", "N", "of object 1; the SSID without it" },
	CHANGE_OPTIONS,
};

static const struct command_option group_options[] = {
	{ "--description", "TEXT", "for people" },
	{ "--priority", "N", "higher wins between values of equal depth" },
	CHANGE_OPTIONS,
};

static const struct command_option group_remove_options[] = {
	{ "--recursive", NULL, "with its subgroups and tasks" },
	CHANGE_OPTIONS,
};

static const struct command_option group_value_set_options[] = {
	{ "--secret", NULL, "masked wherever it is shown" },
	{ "--locked", NULL, "wins over the groups below" },
	CHANGE_OPTIONS,
};

static const struct command_option audit_list_options[] = {
	{ "--limit", "N", "the newest N, up to 1000; 50 without it" },
	{ "--match", "WORD", "of one person, or with this word in the command" },
	{ "--file", "FILE", "of another audit file", .file = true },
};

static const struct command_option audit_verify_options[] = {
	{ "--anchor", "N:HASH", "and this line is among them, as the log tells it" },
	{ "--file", "FILE", "of another audit file", .file = true },
};

static const struct command_option cluster_init_options[] = {
	{ "--from-store", NULL, "with the devices of this appliance; begun before, it goes on" },
};

static const struct command_option cluster_pull_options[] = {
	{ "--discard", NULL, "also in place of files that were changed here by hand" },
};

static const struct command_option cluster_push_options[] = {
	{ "--message", "WHY", "kept with the version" },
};

static const struct command_option cluster_join_options[] = {
	{ "--replace", NULL, "devices here that the cluster has not are removed" },
};

static const struct command_option store_restore_options[] = {
	{ "--replace", NULL, "a store that is there is moved aside" },
};

static const struct command_option task_list_options[] = {
	{ "--group", "NAME", "of one group" },
	WHOLE_PAGE_OPTIONS,
};

static const struct command_option setting_list_options[] = {
	{ "--changed", NULL, "those alone that the file on disk says otherwise" },
};

static const struct command_option watch_options[] = {
	{ "--match", "GLOB", "of devices whose endpoint name matches" },
	{ "--interval", "S", "between two samples of counters, status or phases; 1 without it" },
	{ "--per-second", "N", "events at most, the newest; 0 or without it: as many as are read" },
	{ "--count", "N", "end after N" },
};

static const struct command_option whole_list_options[] = { WHOLE_PAGE_OPTIONS };
static const struct command_option outbox_list_options[] = {
	{ "--state", "STATE", "held, waiting or dead alone" },
	{ "--target", "NAME", "those for one target alone" },
	WHOLE_PAGE_OPTIONS
};

static const struct command_option task_add_options[] = {
	{ "--group", "NAME", "whose task it shall be" },
	{ "--as", "NAME", "what the file is called in tasks/; its own name without it" },
	{ "--replace", NULL, "take the place of a file of that name" },
	{ "--name", "TEXT", "of the task; the file's without it" },
	TASK_OPTIONS,
	CHANGE_OPTIONS,
};

static const struct command_option task_edit_options[] = {
	{ "--name", "TEXT", "of the task" },
	{ "--file", "NAME", "which file of tasks/ it runs" },
	{ "--xml", "FILE", "what that file says from now on, for every task that runs it",
	  .file = CTL_WANT_READ },
	TASK_OPTIONS,
	CHANGE_OPTIONS,
};

static const struct command_option task_copy_options[] = {
	{ "--group", "NAME", "whose task the copy shall be" },
	{ "--name", "TEXT", "of the copy; the same without it" },
	CHANGE_OPTIONS,
};

static const struct command_option task_remove_options[] = {
	{ "--with-file", NULL, "its file in tasks/ goes, too" },
	CHANGE_OPTIONS,
};

static const struct command_option rollout_start_options[] = {
	{ "--xml", "FILE", "the new version: it becomes a file of its own in tasks/",
	  .file = CTL_WANT_READ },
	{ "--percent", "N", "of the devices get it first, by a hash of their names: 1, or 0.01" },
	{ "--count", "N", "... or about so many" },
	{ "--group", "NAME", "... or those of a group and below" },
	{ "--advance", "STEPS", "times and percents, such as \"1h 10, 6h 50, 1d 100\"; by hand without it" },
	{ "--halt-errors", "PERCENT", "more errors than of the former version; 5 without it" },
	{ "--halt-returns", "PERCENT", "more devices that come back soon; 20 without it" },
	{ "--halt-within", "TIME", "what soon is; 5m without it" },
	{ "--halt-after", "RUNS", "of the new version before it is judged; 10 without it" },
	CHANGE_OPTIONS,
};
static const struct command_option rollout_advance_options[] = {
	{ "--percent", "N", "to so many; the next step of its schedule without it" },
	CHANGE_OPTIONS,
};

static const struct command_option task_reports_options[] = {
	{ "--status", "STATUS", "NotStarted, InProgress, Success, Warning, Error or Registered" },
	PAGE_OPTIONS,
};

static const struct command_option rerun_options[] = {
	{ "--device", "ENDPOINT", "on this one alone" },
};

static const struct command_option task_preview_options[] = {
	{ "--format", "N", "content format; the one the device used last without it" },
	{ "--regardless", NULL, "as if schedules, intervals and earlier runs allowed every task" },
	{ "--xml", "FILE", "of this task alone, which nobody has yet", .file = CTL_WANT_READ },
};

static const struct command_option report_list_options[] = {
	{ "--device", "ENDPOINT", "the last report of each of its tasks" },
	{ "--task", "ID", "of one task" },
	{ "--status", "STATUS", "Success, Warning, Error, Registered, InProgress or NotStarted" },
	{ "--since", "TIME", "begun since then: 15m, 2h, 3d ago, or 2026-01-31T12:00:00Z" },
	{ "--limit", "N", "the newest N; 50 without it" },
	{ "--cursor", "PLACE", "go on where \"next\" of the result says; \"\": from the oldest" },
	{ "--follow", NULL, "then those that come, as they do" },
};

static const struct command_option device_list_options[] = {
	{ "--group", "NAME", "of one group and those below" },
	{ "--match", "GLOB", "whose endpoint name matches" },
	{ "--state", "STATE", "ready, nothing, bootstrapping, or returning" },
	{ "--nosec", NULL, "served over NoSec whatever key they have" },
	PAGE_OPTIONS,
};

static const struct command_option device_add_options[] = {
	KEY_OPTIONS,
	NEW_IDENTITY_OPTIONS,
	NEW_PLACE_OPTIONS,
	NOSEC_OPTION,
};

static const struct command_option device_edit_options[] = {
	KEY_OPTIONS,
	{ "--identity", "TEXT", "DTLS identity, \\xNN for any byte; \"\": the endpoint name" },
	{ "--identity-hex", "HEX", "... in hex" },
	HASH_OPTIONS,
	{ "--groups", "A,B", "groups it is in" },
	{ "--domain", "TEXT", "where it belongs" },
	NOSEC_OPTION,
};

static const struct command_option device_value_set_options[] = {
	{ "--secret", NULL, "masked wherever shown" },
};

static const struct command_option device_import_options[] = {
	{ "--format", "FORMAT", "csv or jsonl; else the file's name or first byte tells" },
	{ "--verify-only", NULL, "change nothing, only say what is wrong" },
	{ "--skip-bad", NULL, "import the good rows all the same" },
};

static const struct command_option device_export_options[] = {
	{ "--format", "FORMAT", "csv or jsonl; else the file's name tells" },
	{ "--group", "NAME", "of one group and those below" },
	{ "--secrets", NULL, "with keys and secret values: a copy that can be imported",
	  .reveals = true },
	{ "--seal", NULL, "with them, sealed under the key-encryption key (setting `kek`): an import opens it",
	  .reveals = true },
};

static const struct command_option unknown_adopt_options[] = {
	KEY_OPTIONS,
	NEW_IDENTITY_OPTIONS,
	{ "--endpoint", "NAME", "its endpoint name, where NAME is but its identity" },
	NEW_PLACE_OPTIONS,
};

static const struct command_option turns_options[] = {
	{ "--reset", NULL, "and begin to measure anew" },
};

static const struct command_option trace_start_options[] = {
	{ "--pcapng", "FILE", "its datagrams with their secrets into a new file, for Wireshark",
	  .file = CTL_WANT_CREATE, .reveals = true },
	{ "--for", "TIME", "how long into the file: 30s, 10m, 1h; 10m without it" },
	{ "--follow", NULL, "show its messages as they come; interrupt to end the trace" },
};

static const struct command_option session_list_options[] = { PAGE_OPTIONS };

/* clang-format off */
#define ANCHOR_OPTIONS \
	{ "--endpoint", "TEMPLATE", "makes an endpoint's name; ${cert.cn} without it" }, \
	{ "--unknown", "WORD", "what becomes of one that nobody knows: refuse, list or create" }, \
	{ "--groups", "A,B", "of what is created" }, \
	{ "--create-per-minute", "N", "devices at most; 60 without it" }
#define OWN_OPTIONS \
	{ "--key", "NAME", "its private key: a file of certs/ with mode 0600" }, \
	{ "--names", "A,B", "for clients that ask for one of these names; without it for all others" }
/* clang-format on */
static const struct command_option trust_anchor_options[] = { ANCHOR_OPTIONS, MESSAGE_OPTION };
static const struct command_option trust_own_options[] = { OWN_OPTIONS, MESSAGE_OPTION };
static const struct command_option message_options[] = { MESSAGE_OPTION };

static const struct command_option policy_log_options[] = {
	{ "--limit", "N", "the newest N, up to 1000; 50 without it" },
};

#define OPTIONS(array) .options = (array), .n_options = sizeof(array) / sizeof *(array)

const struct command commands[] = {
	{ "status", "", 0, 0, .while_busy = true, .run = command_status,
	  .help = "one screen: generation, workers, sessions, devices, ports" },
	{ "stats", "[GLOB]", 0, 1, OPTIONS(stats_options), .while_busy = true, .run = command_stats,
	  .help = "counters whose names match; they never reset" },
	{ "phases", "", 0, 0, OPTIONS(phases_options), .while_busy = true, .run = command_phases,
	  .help = "how long phases of bootstraps took, and turns of workers" },
	{ "why", "ENDPOINT", 1, 1, .run = command_why,
	  .help = "why a device is sent what it is, or nothing; by its key, groups, tasks, their "
		  "hours, what went wrong last, and when it may next; of a name that no device "
		  "has: who may be meant, and who asked by it" },
	{ "turns", "", 0, 0, OPTIONS(turns_options), .while_busy = true, .run = command_turns,
	  .help = "what kept the control thread for how long at a time, the longest first" },
	{ "watch", "[TOPIC,...]", 0, 1, OPTIONS(watch_options), .while_busy = true,
	  .run = command_watch,
	  .help = "events as they happen: reports, sessions, unknown, rejected, generations; counters, status, phases" },
	{ "setting list", "[GLOB]", 0, 1, OPTIONS(setting_list_options), .run = command_setting_list,
	  .help = "settings as they run, and what a reload or a restart would change" },
	{ "check", "[FILE]", 0, 1, .file = CTL_WANT_READ, .file_optional = true,
	  .run = command_check,
	  .help = "check the files on disk, or another cradle.conf, without making them live; "
		  "--offline [-c FILE] needs no daemon" },
	{ "reload", "", 0, 0, OPTIONS(reload_options), .changes = true, .run = command_reload,
	  .help = "make the files on disk live as a whole, or refuse them and say why" },
	{ "policy log", "", 0, 0, OPTIONS(policy_log_options), .run = command_policy_log,
	  .help = "versions of the policy: who changed it, when and why, the newest last" },
	{ "policy show", "VERSION [FILE]", 1, 2, .run = command_policy_show,
	  .help = "a version's files, or what one of them said; secrets are masked" },
	{ "policy diff", "VERSION [VERSION]", 1, 2, .run = command_policy_diff,
	  .help = "what differs between two versions, or between one and the newest; secrets are "
		  "masked" },
	{ "policy revert", "VERSION", 1, 1, OPTIONS(change_options), .changes = true,
	  .run = command_policy_revert,
	  .help = "make the policy as it was then live, as a new version; all of it or nothing" },
	{ "upgrade", "", 0, 0, OPTIONS(upgrade_options), .changes = true, .run = command_upgrade,
	  .help = "start the program anew beside this one, which passes its sessions on to it; what "
		  "was installed meanwhile runs then" },
	{ "stop", "", 0, 0, .changes = true, .at_once = true, .run = command_stop,
	  .help = "end the appliance" },
	{ "health", "", 0, 0, .while_busy = true, .run = command_health,
	  .help = "whether routers should send devices here: exit code 0, or 1 with the reason" },
	{ "drain", "", 0, 0, OPTIONS(drain_options), .changes = true, .at_once = true,
	  .run = command_drain,
	  .help = "fail health checks; then answer new devices 5.03 and finish those that bootstrap" },
	{ "undrain", "", 0, 0, .changes = true, .at_once = true, .run = command_undrain,
	  .help = "take new devices again" },
	{ "audit list", "", 0, 0, OPTIONS(audit_list_options), .run = command_audit_list,
	  .help = "who changed what, the newest last" },
	{ "audit verify", "", 0, 0, OPTIONS(audit_verify_options), .run = command_audit_verify,
	  .help = "whether no line was changed, removed or put in" },
	{ "cluster status", "", 0, 0, .while_busy = true, .run = command_cluster_status,
	  .help = "the members that share devices with this appliance, and how far it is behind" },
	{ "cluster init", "", 0, 0, OPTIONS(cluster_init_options), .changes = true,
	  .run = command_cluster_init,
	  .help = "make the cluster of cradle.conf in its database, and be its first member" },
	{ "cluster join", "", 0, 0, OPTIONS(cluster_join_options), .changes = true,
	  .run = command_cluster_join,
	  .help = "become a member of the cluster in the database, and take over its devices" },
	{ "cluster policy pull", "", 0, 0, OPTIONS(cluster_pull_options), .changes = true,
	  .run = command_cluster_policy_pull,
	  .help = "make the cluster's newest policy live here; members do so by themselves" },
	{ "cluster policy push", "", 0, 0, OPTIONS(cluster_push_options), .changes = true,
	  .run = command_cluster_policy_push,
	  .help = "make the files on disk live, here and on all members; a reload does the same" },
	{ "cluster policy diff", "", 0, 0, .takes_long = true, .run = command_cluster_policy_diff,
	  .help = "what the files here say else than the cluster's newest policy; secrets are masked" },
	{ "cluster leave", "", 0, 0, .changes = true, .run = command_cluster_leave,
	  .help = "stand alone again, with all devices as they are" },
	{ "cluster promote-local", "", 0, 0, .changes = true, .run = command_cluster_promote_local,
	  .help = "the same without the database, when that is lost for good" },
	{ "store backup", "DIR", 1, 1, .reveals = true, .file = CTL_WANT_FOLDER, .changes = true,
	  .run = command_store_backup,
	  .help = "copy inventory and reports, as they are at one moment, into a new folder" },
	{ "store rekey", "", 0, 0, .changes = true, .run = command_store_rekey,
	  .help = "read the key-encryption keys again, and seal what is stored under the first" },
	{ "store restore", "DIR", 1, 1, OPTIONS(store_restore_options), .changes = true,
	  .run = command_store_restore,
	  .help = "take such a copy in place of the store, while the appliance is stopped; -c FILE "
		  "as cradled" },
	{ "outbox list", "", 0, 0, OPTIONS(outbox_list_options), .run = command_outbox_list,
	  .help = "messages for others that wait, and dead letters, oldest first; secrets are masked" },
	{ "outbox show", "MESSAGE", 1, 1, .run = command_outbox_show,
	  .help = "one message: why it waits, and the request that it would be now; secrets are masked" },
	{ "outbox retry", "MESSAGE|all", 1, 1, .changes = true, .run = command_outbox_retry,
	  .help = "send a dead letter again, or all of them; targets that are away are tried at once" },
	{ "outbox drop", "MESSAGE", 1, 1, .changes = true, .run = command_outbox_drop,
	  .help = "forget a message: its receiver never hears of it" },
	{ "server list", "", 0, 0, OPTIONS(whole_list_options), .run = command_server_list,
	  .help = "the LwM2M servers that tasks write by lwm2mBootstrapConfiguration" },
	{ "server show", "ID", 1, 1, .run = command_server_show,
	  .help = "one server with the tasks that write it; keys are masked" },
	{ "server add", "ID", 1, 1, OPTIONS(server_options), .changes = true,
	  .run = command_server_add, .help = "add a server to servers.conf and make it live" },
	{ "server edit", "ID", 1, 1, OPTIONS(server_options), .changes = true,
	  .run = command_server_edit,
	  .help = "change a server and make it live; an empty value takes a setting back to its "
		  "default" },
	{ "server remove", "ID", 1, 1, OPTIONS(change_options), .changes = true,
	  .run = command_server_remove,
	  .help = "take a server out of servers.conf; refused while tasks write it" },
	{ "trust list", "", 0, 0, .run = command_trust_list,
	  .help = "our certificates, authorities, revocation lists, and who is denied" },
	{ "trust check", "FILE", 1, 1, .file = CTL_WANT_READ, .run = command_trust_check,
	  .help = "what a device with this certificate would get now, and why" },
	{ "trust add anchor", "FILE", 1, 1, OPTIONS(trust_anchor_options), .changes = true,
	  .file = CTL_WANT_READ, .run = command_trust_add_anchor,
	  .help = "trust an authority: its certificate goes to certs/" },
	{ "trust add crl", "FILE", 1, 1, OPTIONS(message_options), .changes = true, .file = CTL_WANT_READ,
	  .run = command_trust_add_crl,
	  .help = "a revocation list, or the next one of the same file name" },
	{ "trust add own", "FILE", 1, 1, OPTIONS(trust_own_options), .changes = true,
	  .file = CTL_WANT_READ, .run = command_trust_add_own,
	  .help = "a certificate of ours, whose key is in certs/ already" },
	{ "trust set anchor", "NAME", 1, 1, OPTIONS(trust_anchor_options), .changes = true,
	  .run = command_trust_set_anchor,
	  .help = "change what is said of an authority; an empty value takes it back" },
	{ "trust set own", "NAME", 1, 1, OPTIONS(trust_own_options), .changes = true,
	  .run = command_trust_set_own, .help = "change what is said of a certificate of ours" },
	{ "trust remove anchor", "NAME", 1, 1, OPTIONS(message_options), .changes = true, .run = command_trust_remove_anchor,
	  .help = "trust an authority no more" },
	{ "trust remove crl", "NAME", 1, 1, OPTIONS(message_options), .changes = true, .run = command_trust_remove_crl,
	  .help = "forget a revocation list: what it revoked counts again" },
	{ "trust remove own", "NAME", 1, 1, OPTIONS(message_options), .changes = true, .run = command_trust_remove_own,
	  .help = "show a certificate of ours no more" },
	{ "trust deny", "HASH", 1, 1, OPTIONS(message_options), .changes = true, .run = command_trust_deny,
	  .help = "refuse a certificate or key, by its SHA-256" },
	{ "trust allow", "HASH", 1, 1, OPTIONS(message_options), .changes = true, .run = command_trust_allow,
	  .help = "take it off the deny list" },
	{ "group list", "", 0, 0, OPTIONS(whole_list_options), .run = command_group_list,
	  .help = "the groups" },
	{ "group show", "NAME", 1, 1, .run = command_group_show,
	  .help = "one group: values, tasks, subgroups, devices; secrets are masked" },
	{ "group add", "NAME", 1, 1, OPTIONS(group_options), .changes = true,
	  .run = command_group_add, .help = "add a group to groups.conf and make it live" },
	{ "group edit", "NAME", 1, 1, OPTIONS(group_options), .changes = true,
	  .run = command_group_edit, .help = "change a group and make it live" },
	{ "group remove", "NAME", 1, 1, OPTIONS(group_remove_options), .changes = true,
	  .run = command_group_remove,
	  .help = "take a group out of groups.conf; refused while it has subgroups, tasks or "
		  "devices" },
	{ "group value set", "GROUP NAME VALUE", 3, 3, OPTIONS(group_value_set_options),
	  .changes = true, .secret_argument = 3, .run = command_group_value_set,
	  .help = "set a setting value of a group and make it live" },
	{ "group value unset", "GROUP NAME", 2, 2, OPTIONS(change_options), .changes = true,
	  .run = command_group_value_unset, .help = "take a setting value out of a group" },
	{ "task list", "", 0, 0, OPTIONS(task_list_options), .run = command_task_list,
	  .help = "the tasks of the groups, with their devices and reports by status" },
	{ "task check", "FILE", 1, 1, .file = CTL_WANT_READ, .run = command_task_check,
	  .help = "check one task file; needs no daemon" },
	{ "task show", "ID", 1, 1, .run = command_task_show,
	  .help = "one task: its settings, reports by status, and what its file does" },
	{ "task words", "", 0, 0, .run = command_task_words,
	  .help = "for editors: tags, types, keys of resources and setting values of tasks" },
	{ "task plan", "ID", 1, 1, .takes_long = true, .run = command_task_plan,
	  .help = "what a reload of the files on disk would do to the devices that run a task; "
		  "nothing is changed" },
	{ "task source", "ID", 1, 1, .run = command_task_source,
	  .help = "the text of a task's file; of one that holds a secret in the clear, the console "
		  "gets none" },
	{ "task add", "FILE", 1, 1, OPTIONS(task_add_options), .changes = true,
	  .file = CTL_WANT_READ, .run = command_task_add,
	  .help = "copy a task file into tasks/ and let a group's devices run it" },
	{ "task edit", "ID", 1, 1, OPTIONS(task_edit_options), .changes = true,
	  .run = command_task_edit,
	  .help = "change a task's settings and make them live; an empty value takes one back to "
		  "its default" },
	{ "task copy", "ID", 1, 1, OPTIONS(task_copy_options), .changes = true,
	  .run = command_task_copy, .help = "give another group the same task" },
	{ "task pause", "ID", 1, 1, OPTIONS(change_options), .changes = true, .run = command_task_pause,
	  .help = "no device runs the task until it is resumed" },
	{ "task resume", "ID", 1, 1, OPTIONS(change_options), .changes = true, .run = command_task_resume,
	  .help = "devices run the task again" },
	{ "task remove", "ID", 1, 1, OPTIONS(task_remove_options), .changes = true,
	  .run = command_task_remove, .help = "take a task out of its group" },
	{ "task rollout start", "ID", 1, 1, OPTIONS(rollout_start_options), .changes = true,
	  .run = command_rollout_start,
	  .help = "give a part of a task's devices a new version; the others keep the former one" },
	{ "task rollout show", "ID", 1, 1, .run = command_rollout_show,
	  .help = "who gets the new version, and how both do" },
	{ "task rollout advance", "ID", 1, 1, OPTIONS(rollout_advance_options), .changes = true,
	  .run = command_rollout_advance,
	  .help = "give the new version to more devices; those that have it keep it" },
	{ "task rollout halt", "ID", 1, 1, OPTIONS(change_options), .changes = true,
	  .run = command_rollout_halt,
	  .help = "all devices get the former version, until it is advanced, aborted or finished" },
	{ "task rollout abort", "ID", 1, 1, OPTIONS(change_options), .changes = true,
	  .run = command_rollout_abort, .help = "end it: all devices get the former version" },
	{ "task rollout finish", "ID", 1, 1, OPTIONS(change_options), .changes = true,
	  .run = command_rollout_finish, .help = "end it: all devices get the new version" },
	{ "task reports", "TASK", 1, 1, OPTIONS(task_reports_options), .run = command_task_reports,
	  .help = "the last report of a task on each device" },
	{ "task rerun", "TASK", 1, 1, OPTIONS(rerun_options), .changes = true,
	  .run = command_task_rerun,
	  .help = "let devices that have run a task run it again at their next request" },
	{ "task rerun-failed", "TASK", 1, 1, OPTIONS(rerun_options), .changes = true,
	  .run = command_task_rerun_failed, .help = "the same for those that it failed on" },
	{ "task preview", "ENDPOINT", 1, 1, OPTIONS(task_preview_options),
	  .run = command_task_preview,
	  .help = "what a device would be sent now, decoded, and which tasks would not run and "
		  "why; "
		  "secrets are masked" },
	{ "report list", "", 0, 0, OPTIONS(report_list_options), .run = command_report_list,
	  .help = "what became of tasks on devices, oldest first" },
	{ "report show", "TASK ENDPOINT", 2, 2, .run = command_report_show,
	  .help = "one report, with what the task logged" },
	{ "device list", "", 0, 0, OPTIONS(device_list_options), .run = command_device_list,
	  .help = "the inventory" },
	{ "device show", "ENDPOINT", 1, 1, .while_busy = true, .run = command_device_show,
	  .help = "one device: groups, computed values with their origin, tasks; secrets are "
		  "masked" },
	{ "device rejected", "", 0, 0, OPTIONS(whole_list_options), .while_busy = true,
	  .run = command_device_rejected,
	  .help = "who came as a known device and was refused: wrong key, another's name, no DTLS; "
		  "and who asked for what is not served",
	  .alias = "device turned-away" },
	{ "device created", "", 0, 0, .while_busy = true, .run = command_device_created,
	  .help = "the last devices that authorities created, newest first" },
	{ "device profile", "ENDPOINT", 1, 1, .run = command_device_profile,
	  .help = "the computed setting values of a device, each with its origin" },
	{ "device add", "ENDPOINT", 1, 1, OPTIONS(device_add_options), .changes = true,
	  .run = command_device_add, .help = "add a device: kept and live when the command ends" },
	{ "device edit", "ENDPOINT", 1, 1, OPTIONS(device_edit_options), .changes = true,
	  .run = command_device_edit, .help = "change what is given, keep the rest" },
	{ "device remove", "ENDPOINT", 1, 1, .changes = true, .run = command_device_remove,
	  .help = "remove a device and its reports; its session is cancelled" },
	{ "device registered", "ENDPOINT", 1, 1, .changes = true, .at_once = true,
	  .run = command_device_registered,
	  .help = "its LwM2M server says that it registered: reports that went well say so" },
	{ "device value set", "ENDPOINT NAME TEXT", 3, 3, OPTIONS(device_value_set_options),
	  .changes = true, .secret_argument = 3, .run = command_device_value_set,
	  .help = "set a setting value of a device" },
	{ "device value unset", "ENDPOINT NAME", 2, 2, .changes = true,
	  .run = command_device_value_unset,
	  .help = "take a setting value from a device: its groups' counts again" },
	{ "device import", "[FILE]", 0, 1, OPTIONS(device_import_options), .changes = true,
	  .file = CTL_WANT_READ, .run = command_device_import,
	  .help = "add and change devices from a file, or standard input; all of it or nothing" },
	{ "device export", "[FILE]", 0, 1, OPTIONS(device_export_options), .changes = true,
	  .file = CTL_WANT_WRITE, .run = command_device_export,
	  .help = "write the inventory to a file, or standard output" },
	{ "unknown list", "", 0, 0, OPTIONS(whole_list_options), .while_busy = true,
	  .run = command_unknown_list, .help = "who asked and is not in the inventory" },
	{ "unknown adopt", "NAME", 1, 1, OPTIONS(unknown_adopt_options), .changes = true,
	  .run = command_unknown_adopt, .help = "turn an unknown endpoint into a device" },
	{ "session list", "", 0, 0, OPTIONS(session_list_options), .while_busy = true,
	  .run = command_session_list, .help = "devices that bootstrap now, and how far they are" },
	{ "session show", "ENDPOINT", 1, 1, .while_busy = true, .run = command_session_show,
	  .help = "the session of one device, with its steps" },
	{ "trace start", "ENDPOINT", 1, 1, OPTIONS(trace_start_options), .changes = true,
	  .at_once = true, .run = command_trace_start,
	  .help = "follow the dialogue of a device; into a file, it ends by itself" },
	{ "trace show", "ENDPOINT", 1, 1, .run = command_trace_show,
	  .help = "its messages since they were last shown, decoded; secrets are masked" },
	{ "trace stop", "ENDPOINT", 1, 1, .changes = true, .at_once = true,
	  .run = command_trace_stop,
	  .help = "no longer; a trace that nobody looks at ends after ten minutes" },
	{ "job list", "", 0, 0, OPTIONS(whole_list_options), .while_busy = true,
	  .run = command_job_list,
	  .help = "commands that change something: the one that runs, and the last ones" },
	{ "job show", "N", 1, 1, .while_busy = true, .run = command_job_show,
	  .help = "one of them: how far it is, or how it ended" },
	{ "job wait", "N", 1, 1, .while_busy = true, .run = command_job_wait,
	  .help = "show how far it is, and then its answer, with its exit code" },
	{ "job cancel", "N", 1, 1, .changes = true, .at_once = true, .while_busy = true,
	  .run = command_job_cancel,
	  .help = "end it; refused, with the reason, where what it did stays" },
	{ "log level", "LEVEL", 1, 1, .changes = true, .at_once = true, .run = command_log_level,
	  .help = "error, warning, notice, info or debug, until the next reload" },
	{ "help", "[COMMAND|settings|counters|manual]", 0, 3, .while_busy = true,
	  .run = command_help,
	  .help = "this list, one command, every setting, every counter, or all of it; "
		  "groups.conf, "
		  "servers.conf, trust.conf, outbox.conf: what these files may say; schema: the commands for "
		  "programs, as JSON" },
	{ "complete", "WORDS", 1, 1, .while_busy = true, .secret_argument = 1,
	  .run = command_complete,
	  .help = "what may follow the words of a command, for shells; words are separated by the "
		  "character U+001F, the last one is being typed" },
	{ "completion", "SHELL", 1, 1, .while_busy = true, .run = command_completion,
	  .help = "completion for a shell: bash" },
};
const unsigned n_commands = sizeof commands / sizeof commands[0];
_Static_assert(sizeof commands / sizeof commands[0] <= COMMANDS_MAX, "raise COMMANDS_MAX");
