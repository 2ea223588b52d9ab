// One table: what the navigation shows, and which file makes which page.

export const sections = [
	[
		{ path: "", title: "Overview" },
		{ path: "devices", title: "Devices", count: "devices" },
	],
];

export const routes = [
	{ path: [""], module: "./pages/overview.js", section: "", title: "Overview" },
	{ path: ["devices"], module: "./pages/devices.js", section: "devices", title: "Devices" },
];
