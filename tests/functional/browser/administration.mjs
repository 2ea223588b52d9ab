// Trust, settings and the audit: who may see them, what they tell, and that no secret is among it.
import { ask, assert, ctl, look, person, settled } from "./stage.mjs";

const me = await person("sina");
const { page, go } = me;

// Certificates with their ends; what a device's would get.
await go("/trust");
const row = (file) => page.textContent(`tr:has-text('${file}')`);
assert.match(await row("bs.pem"), /bs\.example.*in 9 days/);
assert.match(await row("ca.pem"), /Factory/);
assert.match(await row("old.pem"), /Old.*ended/);
assert.match(await page.textContent("main"), /aa{63}/);
await page.setInputFiles("input[type=file]", process.env.DEVICE_PEM);
await page.click("button:has-text('Check')");
await page.waitForSelector("td:has-text('meter-42')");
await look(me, "trust");
await page.setInputFiles("input[type=file]", { name: "no.pem", mimeType: "text/plain", buffer: Buffer.from("no certificate") });
await page.click("button:has-text('Check')");
await page.waitForSelector(".diag");

// Settings: nothing differs; then the file is changed.
await go("/settings");
await page.waitForSelector("text=What runs is what stands on the disk");
await ask("change");
await go("/sessions");
await go("/settings");
await page.waitForSelector("text=a reload would change 1, a restart 2");
await page.getByLabel("only what differs").check();
assert.equal(await page.locator("tbody tr").count(), 2);
await look(me, "settings");
assert.ok(!(await page.content()).includes("4711"), "a PIN is on the page");
await page.click("button:has-text('Reload')");
await page.click("dialog button:has-text('Reload')");
await page.waitForSelector("text=a restart 1");
await ask("spoil");
await go("/sessions");
await go("/settings");
await page.waitForSelector("text=cannot be made live");
await look(me, "settings-bad");

// The audit has the reload; the chain is whole.
await go("/audit");
await page.waitForSelector("td:has-text('reload')");
await page.getByPlaceholder("a person, or a word").fill("nobody-did-this");
await page.click("button:has-text('Show')");
await page.waitForSelector("text=Nobody has changed anything of that.");
await page.getByPlaceholder("a person, or a word").fill("reload");
await page.click("button:has-text('Show')");
await page.waitForSelector("td:has-text('reload')");
await look(me, "audit");
await page.click("button:has-text('Check the chain')");
await page.waitForSelector(".note:has-text('The chain is whole')");

// A viewer sees certificates, and neither settings nor the audit.
const vera = await person("vera");
await vera.go("/trust");
assert.match(await vera.page.textContent("main"), /Factory/);
assert.equal(await vera.page.locator("nav a:has-text('Settings'), nav a:has-text('Audit')").count(), 0);
for (const hash of ["/settings", "/audit"]) {
	await vera.go(hash);
	await vera.page.waitForSelector("text=the role operator is wanted");
}

const small = await person("sina", { width: 360, theme: "dark" });
for (const hash of ["/trust", "/settings", "/audit"]) {
	await small.go(hash);
	await settled(small.page);
	await look(small, `small${hash.replaceAll("/", "-")}`);
}
process.exit(0);
