// What every scenario needs: a browser, people who log in, screenshots, and the checks of each page.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import { createRequire } from "node:module";
import readline from "node:readline";
import { chromium } from "playwright-core";

export const url = process.env.CONSOLE_URL;
const shots = process.env.CONSOLE_SHOTS;
const password = process.env.CONSOLE_PASSWORD;
const axe = fs.readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

export const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox", "--disable-gpu"] });

// A person with a browser of their own. What a page complains of in its console fails the scenario.
export async function person(name, { width = 1280, theme = "light" } = {}) {
	const context = await browser.newContext({ viewport: { width, height: 900 }, colorScheme: theme });
	const page = await context.newPage();
	page.setDefaultTimeout(15000);
	const faults = [];
	page.on("pageerror", (error) => faults.push(error.stack));
	page.on("console", (message) => { if (message.type() === "error" && !/status of (401|403|404|412|422|503)/.test(message.text())) faults.push(message.text()); });
	page.on("dialog", (dialog) => { faults.push(`a dialog: ${dialog.message()}`); dialog.dismiss(); });
	await page.goto(url);
	await page.fill("[name=username]", name);
	await page.fill("[name=password]", password);
	await page.click("button.primary");
	await page.waitForSelector("nav");
	return { page, faults, go: async (hash) => { await page.goto(`${url}/#${hash}`); await settled(page); } };
}

// Until nothing on the page says that it waits.
export async function settled(page) {
	await page.waitForFunction(() => !document.querySelector("main .wait") && !/Checking …|Compiling …|Searching …/.test(document.querySelector("main")?.textContent ?? ""));
}

// A picture that a person looks at, and what axe finds on the page: nothing.
export async function look(one, name) {
	await settled(one.page);
	await one.page.screenshot({ path: `${shots}/${name}.png`, fullPage: true });
	await accessible(one, name);
	const wide = await one.page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
	assert.ok(wide <= 0, `${name} is ${wide} pixels too wide`);
	const cut = await one.page.evaluate(() => innerWidth > 400 ? [] : [...document.querySelectorAll("main .scroll")].filter((s) => s.scrollWidth > s.clientWidth).map((s) => `${s.ariaLabel}: ${s.scrollWidth} of ${s.clientWidth}`));
	assert.deepEqual(cut, [], `${name}: tables that do not fit a phone`);
	assert.deepEqual(one.faults, [], name);
}

export async function accessible(one, name) {
	const found = await one.page.evaluate(`(() => { ${axe}; return window.axe.run(document, { resultTypes: ["violations"] }); })()`);
	assert.deepEqual(found.violations.map((v) => [v.id, v.nodes[0].html, v.nodes[0].failureSummary]), [], name);
}

// The appliance's client, and a device.
export const ctl = (...words) => execFileSync(process.env.CRADLECTL, ["-s", process.env.CRADLE_SOCKET, ...words], { encoding: "utf8" });
export const device = () => { const [program, ...words] = JSON.parse(process.env.DEVICE); execFileSync(program, words); };
export const stranger = (name) => { const [program, ...words] = JSON.parse(process.env.STRANGER); execFileSync(program, words.concat(`ep=${name}`)); };

// The test does something meanwhile.
const answers = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]();
export async function ask(what) {
	console.log(`ASK ${what}`);
	await answers.next();
}

export { assert };
