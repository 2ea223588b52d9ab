// One table: what the navigation shows, and which file makes which page.

export const sections = [
	[
		{ path: "", title: "Overview" },
		{ path: "devices", title: "Devices", count: "devices" },
		{ path: "groups", title: "Device groups", count: "groups" },
		{ path: "servers", title: "LwM2M servers" },
		{ path: "trust", title: "Trust" },
		{ path: "policy", title: "Policy" },
	],
	[
		{ path: "sessions", title: "Sessions", count: "sessions" },
		{ path: "reports", title: "Reports" },
		{ path: "unknown", title: "Unknown", count: "unknown" },
		{ path: "rejected", title: "Rejected", count: "rejected" },
	],
	[
		{ path: "audit", title: "Audit", role: "operator" },
		{ path: "settings", title: "Settings", role: "operator" },
	],
];

export const routes = [
	{ path: [""], module: "./pages/overview.js", section: "", title: "Overview" },
	{ path: ["devices"], module: "./pages/devices.js", title: "Devices" },
	{ path: ["add-device"], module: "./pages/add-device.js", section: "devices", title: "Add device" },
	{ path: ["import"], module: "./pages/import.js", section: "devices", title: "Import devices" },
	{ path: ["devices", ":endpoint"], module: "./pages/device.js", title: "Device" },
	{ path: ["devices", ":endpoint", ":tab"], module: "./pages/device.js", title: "Device" },
	{ path: ["groups"], module: "./pages/groups.js", title: "Device groups" },
	{ path: ["groups", ":group"], module: "./pages/group.js", title: "Device group" },
	{ path: ["groups", ":group", ":tab"], module: "./pages/group.js", title: "Device group" },
	{ path: ["add-task", ":group"], module: "./pages/task.js", section: "groups", title: "Add task" },
	{ path: ["tasks", ":task"], module: "./pages/task.js", section: "groups", title: "Task" },
	{ path: ["servers"], module: "./pages/servers.js", title: "LwM2M servers" },
	{ path: ["servers", ":server"], module: "./pages/server.js", title: "LwM2M server" },
	{ path: ["add-server"], module: "./pages/server.js", section: "servers", title: "Add server" },
	{ path: ["policy"], module: "./pages/policy.js", title: "Policy" },
	{ path: ["policy", ":version"], module: "./pages/policy.js", title: "Policy" },
	{ path: ["sessions"], module: "./pages/sessions.js", title: "Sessions" },
	{ path: ["reports"], module: "./pages/reports.js", title: "Reports" },
	{ path: ["reports", ":task", ":endpoint"], module: "./pages/report.js", title: "Report" },
	{ path: ["unknown"], module: "./pages/unknown.js", title: "Unknown devices" },
	{ path: ["adopt", ":name"], module: "./pages/add-device.js", section: "unknown", title: "Adopt" },
	{ path: ["trust"], module: "./pages/trust.js", title: "Trust" },
	{ path: ["audit"], module: "./pages/audit.js", title: "Audit" },
	{ path: ["settings"], module: "./pages/settings.js", title: "Settings" },
	{ path: ["rejected"], module: "./pages/rejected.js", title: "Rejected devices" },
];
