// The procedure as people know it, in nine steps.
import { assert, ctl, device, look, person, settled } from "./stage.mjs";

const me = await person("sina");
const { page, go } = me;

// 1. Is all well?
await page.waitForSelector(".verdict");
assert.match(await page.textContent(".verdict"), /All is well/);
await look(me, "1-overview");

// 2. LwM2M servers > Add > the server's fields > Save.
await go("/servers");
await page.click("text=Add server");
await page.getByRole("textbox", { name: "ID", exact: true }).fill("fleet");
await page.getByRole("textbox", { name: /^URI/ }).fill("coaps://fleet.example.org");
await page.getByRole("textbox", { name: /^Short Server ID/ }).fill("10");
await page.click("button:has-text('What would change?')");
await page.waitForSelector("text=0 devices would be sent something else");
assert.throws(() => ctl("server", "show", "fleet"));
await page.getByRole("textbox", { name: /^Short Server ID/ }).fill("70000");
assert.equal(await page.locator("text=would be sent something else").count(), 0); // it was of another form
await page.click("button:has-text('What would change?')");
await page.waitForSelector("[role=alert]:has-text('65534')");
await page.getByRole("textbox", { name: /^Short Server ID/ }).fill("10");
await look(me, "2-add-server");
await page.click("button:has-text('Add server')");
await page.waitForSelector("a:has-text('fleet')");
assert.match(ctl("server", "show", "fleet"), /fleet\.example\.org/);

// 3. Device groups > the group > tab Group tasks.
await go("/groups");
await page.click("a:has-text('demo')");
await page.waitForSelector("text=management account");
assert.deepEqual(await page.$$eval(".tabs a", (all) => all.map((a) => a.textContent)), ["Group tasks", "Setting values", "Subgroups", "Devices", "Edition log"]);
await look(me, "3-group-tasks");

// A value that a device lacks: what it would change, before it is set; the same before one is taken out.
await go("/groups/root.demo/values");
await page.getByLabel("Name", { exact: true }).fill("managementId");
await page.getByLabel("Value", { exact: true }).fill("of-the-group");
await page.click("button:has-text('What would change?')");
await page.waitForSelector("text=1 device would be sent something else");
assert.match(await page.textContent("form"), /demo-0002.*of-the-group/s);
assert.ok(!ctl("group", "show", "root.demo").includes("of-the-group"));
await look(me, "3-value-planned");
await page.click("button:has-text('Set value')");
await page.click("tr:has-text('managementId') >> text=Remove");
await page.waitForSelector("dialog >> text=would be sent something else");
assert.match(await page.textContent("dialog"), /managementId/);
await look(me, "3-value-removed");
await page.click("dialog >> text=Cancel");
assert.ok(ctl("group", "show", "root.demo").includes("of-the-group"));
await page.click("tr:has-text('managementId') >> text=Remove");
await page.click("dialog >> button:has-text('Remove')");
await page.waitForFunction(() => !document.querySelector("main").textContent.includes("of-the-group"));
assert.ok(!ctl("group", "show", "root.demo").includes("of-the-group"));

// 4. Add task: a broken text has its marks where the faults are, and is not added.
await go("/groups/root.demo");
await page.click("a:has-text('Add task')");
await page.getByLabel("Name", { exact: true }).fill("clock & lifetime");
await page.waitForSelector(".CodeMirror");
const write = (text) => page.evaluate((t) => document.querySelector(".editor").codeMirror.setValue(t), text);
await write('<config>\n  <lwm2mBootstrap performBootstrapFinish="true">\n    <write key="LwM2M Server.0.Lifetme" value="60"/>\n    <wirte key="/1/0/7" value="U"/>\n  </lwm2mBootstrap>\n</config>\n');
await page.waitForSelector(".diag >> text=Lifetime");
const marked = await page.$$eval(".CodeMirror-gutter-wrapper", (all) => all.filter((g) => g.querySelector(".gutter-error")).map((g) => g.querySelector(".CodeMirror-linenumber").textContent));
assert.deepEqual(marked, ["3", "4"]);
assert.match(await page.$$eval(".mark-error", (all) => all.map((m) => m.textContent).join("")), /key="LwM2M Server\.0\.Lifetme"/);
assert.ok(await page.isDisabled("button:has-text('Add new task')"));
await look(me, "4-broken-task");

// 5. Mended by completion; beside it what the device would get.
await write('<config>\n  <lwm2mBootstrap performBootstrapFinish="true">\n    <write key="LwM2M Server.0.Lifet" value="90"/>\n  </lwm2mBootstrap>\n</config>\n');
await page.evaluate(() => { const cm = document.querySelector(".editor").codeMirror; cm.focus(); cm.setCursor({ line: 2, ch: 36 }); cm.showHint(); });
await page.click(".CodeMirror-hint:has-text('Lifetime')");
await page.waitForSelector("td:has-text('90')");
await settled(page);
assert.match(await page.textContent("main"), /PUT \/1\/0/);
assert.ok(await page.isEnabled("button:has-text('Add new task')"));
await page.click("button:has-text('What would change?')");
await page.waitForSelector("text=would be sent something else");
await look(me, "5-add-task");
await page.click("button:has-text('Add new task')");

// 6. Its status shows in the Group tasks tab, once a device has asked.
await page.waitForSelector("a:has-text('clock & lifetime')");
device();
await page.waitForFunction(async () => {
	[...document.querySelectorAll("button")].find((b) => b.textContent === "Recalculate device count").click();
	await new Promise((done) => setTimeout(done, 200));
	return [...document.querySelectorAll("tr")].some((r) => r.textContent.includes("clock & lifetime") && /1 · 0 · 0 · 0/.test(r.textContent));
});
await page.click("a.plain >> nth=1");
await page.waitForSelector("#reports td >> text=demo-0001");
await look(me, "6-status");

// 7. The device: why, where it will connect to, its reports and dialogue.
await go("/devices/demo-0001");
await page.waitForSelector("text=This device will connect to");
assert.match(await page.textContent("main"), /coaps:\/\/uri\.example:5684/);
await look(me, "7-device");
await go("/devices/demo-0001/dialogue");
await page.click("button:has-text('Follow live')");
await page.waitForSelector("text=Followed");
device();
await page.waitForSelector("text=/POST \\/bs/");
await look(me, "7-dialogue");
assert.ok(!(await page.textContent("main")).includes("correct horse battery"));
await page.click("button:has-text('Stop')");

// 8. Import: verified first, then as a whole.
await go("/import");
const file = (text) => ({ name: "devices.csv", mimeType: "text/csv", buffer: Buffer.from(text) });
await page.setInputFiles("input[type=file]", file("endpoint,key,groups\nweb-1,k1,root.demo\nweb-2,k2,root.dmo\n"));
await page.click("button:has-text('Verify only')");
await page.waitForSelector("text=root.dmo");
await look(me, "8-import-bad");
await page.setInputFiles("input[type=file]", file("endpoint,key,groups\nweb-1,k1,root.demo\nweb-2,k2,root.demo\n"));
await page.click("button:has-text('Verify only')");
await page.waitForSelector("text=2 new");
assert.throws(() => ctl("device", "show", "web-1"));
await page.click("button:text-is('Import')");
await page.waitForSelector("text=Imported.");
assert.match(ctl("device", "show", "web-2"), /web-2/);
await look(me, "8-import");

// 9. An unknown device is adopted.
await go("/unknown");
await page.click("tr:has-text('stranger-7') >> text=Adopt");
await page.getByLabel("Groups").fill("root.demo");
await look(me, "9-adopt");
await page.click("button:has-text('Adopt')");
await page.waitForSelector("h1:has-text('stranger-7')");
await look(me, "9-device");

// The other pages, and the small dark one.
// Who added the task, and what of the group that changed.
await go("/groups/root.demo/log");
await page.waitForSelector("td:has-text('task add')"); // by the uid of the test's cradle-web: only the console's user speaks for people
await page.click("summary:has-text('what changed')");
assert.match(await page.textContent("main"), /task add.*clock & lifetime/s);
await look(me, "6-edition-log");

for (const hash of ["/policy", "/policy/1", "/sessions", "/reports", "/rejected", "/groups/root.demo/values", "/groups/root.demo/subgroups", "/groups/root.demo/devices", "/servers", "/devices", "/add-device", "/devices/demo-0001/values"]) {
	await go(hash);
	await look(me, `page${hash.replaceAll("/", "-")}`);
}
// An address that somebody mangled says so, and a time just below a second is one.
await go("/devices/%E0%A4%A");
assert.match(await page.textContent("main [role=alert]"), /%E0%A4%A/);
assert.deepEqual(await page.evaluate(async () => {
	const { duration } = await import("/format.js");
	return [950, 9960, 999400, 999700, 59_990_000].map(duration);
}), ["950 µs", "10 ms", "999 ms", "1.0 s", "60.0 s"]);

const small = await person("sina", { width: 360, theme: "dark" });
for (const hash of ["/", "/devices", "/groups", "/groups/root.demo", "/groups/root.demo/values", "/groups/root.demo/log", "/add-task/root.demo", "/devices/demo-0001", "/devices/demo-0001/values",
	"/devices/demo-0001/reports", "/devices/demo-0001/dialogue", "/import", "/servers", "/servers/fleet", "/sessions", "/reports", "/unknown", "/rejected"]) {
	await small.go(hash);
	await look(small, `small${hash.replaceAll("/", "-")}`);
}
process.exit(0);
