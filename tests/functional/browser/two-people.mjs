// Two people edit one task: the second learns of it, and keeps what was typed. A viewer sees no way to change anything.
import { assert, ctl, person, settled } from "./stage.mjs";

const [one, two] = [await person("otto"), await person("sina")];
for (const who of [one, two]) await who.go("/tasks/g:root.demo:1");
await one.page.getByLabel("Comment").fill("by otto");
await one.page.click("button:has-text('Save task')");
await one.page.waitForSelector("text=Group tasks");
await two.page.getByLabel("Comment").fill("by sina");
await two.page.click("button:has-text('Save task')");
await two.page.waitForSelector("text=Somebody saved it since you opened it");
assert.equal(await two.page.getByLabel("Comment").inputValue(), "by sina");
assert.match(ctl("task", "list"), /by otto/);

const viewer = await person("vera");
for (const hash of ["/groups/root.demo", "/tasks/g:root.demo:1", "/servers", "/devices", "/devices/demo-0001", "/unknown"]) {
	await viewer.go(hash);
	const buttons = await viewer.page.$$eval("main button, main a.btn", (all) => all.filter((b) => !b.disabled).map((b) => b.textContent));
	assert.ok(!buttons.some((b) => /Add|Save|Delete|Remove|Rerun|Import|Adopt|Pause/.test(b)), `${hash}: ${buttons}`);
}
await viewer.go("/add-task/root.demo");
await settled(viewer.page);
assert.match(await viewer.page.textContent("main"), /The role operator changes tasks/);

// By the keyboard alone: past the navigation, and into the content.
await viewer.go("/devices");
await viewer.page.keyboard.press("Tab");
await viewer.page.keyboard.press("Enter");
assert.equal(await viewer.page.evaluate(() => document.activeElement.id), "main");
process.exit(0);
