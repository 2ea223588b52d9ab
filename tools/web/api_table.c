#include "tools/web/api_table.h"

/* clang-format off */
const struct api_route api_routes[] = {
	/* The appliance. */
	{ HTTP_GET, "/status", "status", ROLE_VIEWER },
	{ HTTP_GET, "/counters", "stats", ROLE_VIEWER },
	{ HTTP_GET, "/phases", "phases", ROLE_VIEWER },
	{ HTTP_GET, "/settings", "setting list", ROLE_OPERATOR },
	/* Files that a text names are read to check it: not for whoever may only look. */
	{ HTTP_POST, "/check", "check", ROLE_SECURITY, .file = "cradle.conf" },
	{ HTTP_POST, "/reload", "reload", ROLE_OPERATOR, .job = true },
	{ HTTP_GET, "/policy/versions", "policy log", ROLE_OPERATOR },
	{ HTTP_GET, "/policy/versions/{version}", "policy show", ROLE_SECURITY },
	{ HTTP_GET, "/policy/diff/{version}", "policy diff", ROLE_SECURITY },
	{ HTTP_POST, "/policy/versions/{version}/revert", "policy revert", ROLE_SECURITY, .job = true },
	{ HTTP_POST, "/drain", "drain", ROLE_SECURITY },
	{ HTTP_POST, "/undrain", "undrain", ROLE_SECURITY },
	{ HTTP_PUT, "/log-level", "log level", ROLE_SECURITY },

	/* LwM2M servers: they hold keys. */
	{ HTTP_GET, "/servers", "server list", ROLE_VIEWER },
	{ HTTP_POST, "/servers", "server add", ROLE_SECURITY, .creates = true },
	{ HTTP_GET, "/servers/{id}", "server show", ROLE_VIEWER, .guard = "server show" },
	{ HTTP_PATCH, "/servers/{id}", "server edit", ROLE_SECURITY, .guard = "server show" },
	{ HTTP_DELETE, "/servers/{id}", "server remove", ROLE_SECURITY, .guard = "server show" },

	/* Groups and their setting values. */
	{ HTTP_GET, "/groups", "group list", ROLE_VIEWER },
	{ HTTP_POST, "/groups", "group add", ROLE_OPERATOR, .creates = true },
	{ HTTP_GET, "/groups/{name}", "group show", ROLE_VIEWER, .guard = "group show" },
	{ HTTP_PATCH, "/groups/{name}", "group edit", ROLE_OPERATOR, .guard = "group show" },
	{ HTTP_DELETE, "/groups/{name}", "group remove", ROLE_OPERATOR, .guard = "group show" },
	{ HTTP_PUT, "/groups/{group}/values/{name}", "group value set", ROLE_OPERATOR, .guard = "group show" },
	{ HTTP_DELETE, "/groups/{group}/values/{name}", "group value unset", ROLE_OPERATOR, .guard = "group show" },

	/* Tasks. */
	{ HTTP_GET, "/tasks", "task list", ROLE_VIEWER },
	{ HTTP_POST, "/tasks", "task add", ROLE_OPERATOR, .creates = true, .file = "task.xml" },
	{ HTTP_GET, "/task-words", "task words", ROLE_VIEWER },
	{ HTTP_POST, "/tasks/check", "task check", ROLE_VIEWER, .file = "task.xml" },
	{ HTTP_GET, "/tasks/{id}", "task show", ROLE_VIEWER, .guard = "task show" },
	{ HTTP_GET, "/tasks/{id}/source", "task source", ROLE_VIEWER, .guard = "task source" },
	{ HTTP_POST, "/tasks/{id}/plan", "task plan", ROLE_OPERATOR, .job = true },
	{ HTTP_PATCH, "/tasks/{id}", "task edit", ROLE_OPERATOR, .guard = "task show" },
	{ HTTP_DELETE, "/tasks/{id}", "task remove", ROLE_OPERATOR, .guard = "task show" },
	{ HTTP_POST, "/tasks/{id}/copy", "task copy", ROLE_OPERATOR, .creates = true },
	{ HTTP_POST, "/tasks/{id}/pause", "task pause", ROLE_OPERATOR },
	{ HTTP_POST, "/tasks/{id}/resume", "task resume", ROLE_OPERATOR },
	{ HTTP_GET, "/tasks/{id}/rollout", "task rollout show", ROLE_VIEWER },
	{ HTTP_POST, "/tasks/{id}/rollout", "task rollout start", ROLE_OPERATOR },
	{ HTTP_POST, "/tasks/{id}/rollout/advance", "task rollout advance", ROLE_OPERATOR },
	{ HTTP_POST, "/tasks/{id}/rollout/halt", "task rollout halt", ROLE_OPERATOR },
	{ HTTP_POST, "/tasks/{id}/rollout/abort", "task rollout abort", ROLE_OPERATOR },
	{ HTTP_POST, "/tasks/{id}/rollout/finish", "task rollout finish", ROLE_OPERATOR },
	{ HTTP_GET, "/tasks/{task}/reports", "task reports", ROLE_VIEWER },
	{ HTTP_POST, "/tasks/{task}/rerun", "task rerun", ROLE_OPERATOR },
	{ HTTP_POST, "/tasks/{task}/rerun-failed", "task rerun-failed", ROLE_OPERATOR },

	/* Devices. */
	{ HTTP_GET, "/devices", "device list", ROLE_VIEWER },
	{ HTTP_POST, "/devices", "device add", ROLE_SECURITY, .creates = true },
	{ HTTP_GET, "/trust", "trust list", ROLE_VIEWER },
	{ HTTP_POST, "/trust/check", "trust check", ROLE_VIEWER, .file = "device.pem" },
	{ HTTP_GET, "/created", "device created", ROLE_VIEWER },
	{ HTTP_GET, "/devices/{endpoint}", "device show", ROLE_VIEWER },
	{ HTTP_PATCH, "/devices/{endpoint}", "device edit", ROLE_SECURITY },
	{ HTTP_DELETE, "/devices/{endpoint}", "device remove", ROLE_SECURITY },
	{ HTTP_POST, "/devices/{endpoint}/registered", "device registered", ROLE_OPERATOR },
	{ HTTP_GET, "/devices/{endpoint}/profile", "device profile", ROLE_VIEWER },
	{ HTTP_GET, "/devices/{endpoint}/preview", "task preview", ROLE_VIEWER },
	/* A text of one's own reads setting values and tables: for whoever may write tasks. */
	{ HTTP_POST, "/devices/{endpoint}/preview", "task preview", ROLE_OPERATOR },
	{ HTTP_GET, "/devices/{endpoint}/why", "why", ROLE_VIEWER },
	{ HTTP_PUT, "/devices/{endpoint}/values/{name}", "device value set", ROLE_OPERATOR },
	{ HTTP_DELETE, "/devices/{endpoint}/values/{name}", "device value unset", ROLE_OPERATOR },
	{ HTTP_POST, "/imports", "device import", ROLE_SECURITY, .job = true, .file = "devices.csv" },
	{ HTTP_GET, "/rejected", "device rejected", ROLE_VIEWER },
	{ HTTP_GET, "/outbox", "outbox list", ROLE_VIEWER },
	{ HTTP_GET, "/outbox/{message}", "outbox show", ROLE_VIEWER },
	{ HTTP_POST, "/outbox/{message}/retry", "outbox retry", ROLE_OPERATOR },
	{ HTTP_DELETE, "/outbox/{message}", "outbox drop", ROLE_SECURITY },
	{ HTTP_GET, "/unknown", "unknown list", ROLE_VIEWER },
	{ HTTP_POST, "/unknown/{name}/adopt", "unknown adopt", ROLE_SECURITY, .creates = true },

	/* Who changed what. */
	{ HTTP_GET, "/audit", "audit list", ROLE_OPERATOR },
	{ HTTP_GET, "/audit/verdict", "audit verify", ROLE_SECURITY },

	/* What happens. */
	{ HTTP_GET, "/reports", "report list", ROLE_VIEWER },
	{ HTTP_GET, "/reports/{task}/{endpoint}", "report show", ROLE_VIEWER },
	{ HTTP_GET, "/sessions", "session list", ROLE_VIEWER },
	{ HTTP_GET, "/sessions/{endpoint}", "session show", ROLE_VIEWER },
	{ HTTP_GET, "/turns", "turns", ROLE_VIEWER },
	{ HTTP_GET, "/changes", "job list", ROLE_VIEWER },
	{ HTTP_GET, "/changes/{n}", "job show", ROLE_VIEWER },
	{ HTTP_POST, "/changes/{n}/cancel", "job cancel", ROLE_OPERATOR },
	{ HTTP_PUT, "/traces/{endpoint}", "trace start", ROLE_SECURITY },
	{ HTTP_GET, "/traces/{endpoint}", "trace show", ROLE_SECURITY },
	{ HTTP_DELETE, "/traces/{endpoint}", "trace stop", ROLE_SECURITY },
};
/* clang-format on */
const unsigned n_api_routes = sizeof api_routes / sizeof api_routes[0];

const struct api_exemption api_exemptions[] = {
	{ "trust add anchor", "whom to trust is decided on the appliance" },
	{ "trust add crl", "whom to trust is decided on the appliance" },
	{ "trust add own", "its key is on the appliance" },
	{ "trust set anchor", "whom to trust is decided on the appliance" },
	{ "trust set own", "its key is on the appliance" },
	{ "trust remove anchor", "whom to trust is decided on the appliance" },
	{ "trust remove crl", "whom to trust is decided on the appliance" },
	{ "trust remove own", "its key is on the appliance" },
	{ "trust deny", "whom to trust is decided on the appliance" },
	{ "trust allow", "whom to trust is decided on the appliance" },
	{ "upgrade", "what runs is replaced on the appliance" },
	{ "stop", "who may end the appliance can log in to its machine" },
	{ "device export", "a copy of the inventory is made on the appliance, not by a browser" },
	{ "watch", "/events has what happens, as it does" },
	{ "job wait", "an answer of HTTP has an end: pages ask again how far it is" },
	{ "cluster status", "members are looked after on their machines" },
	{ "cluster init", "who makes a cluster can log in to its machines" },
	{ "cluster join", "who makes a cluster can log in to its machines" },
	{ "cluster leave", "who makes a cluster can log in to its machines" },
	{ "cluster promote-local", "who makes a cluster can log in to its machines" },
	{ "store rekey", "keys that seal the store are changed on the appliance" },
	{ "store backup", "a copy of the store is made on the appliance" },
	{ "store restore", "the appliance is stopped meanwhile" },
	{ "help", "this interface describes itself in openapi.json" },
	{ "completion", "it is for shells" },
	{ "complete", "it is for shells" },
};
const unsigned n_api_exemptions = sizeof api_exemptions / sizeof api_exemptions[0];
