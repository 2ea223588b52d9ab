// Pages follow what happens by themselves, ask for nothing meanwhile, and go on where no events come through.
import { assert, device, look, person, stranger } from "./stage.mjs";

const me = await person("sina");
const { page, go } = me;
const asked = [];
page.on("request", (request) => asked.push(new URL(request.url()).pathname));
const told = (channel) => page.waitForResponse((answer) => answer.url().includes(`/api/v1/events/${channel}`) && answer.status() === 200);

// A page asks at first, and once more when its events have begun: what was asked for before it does not count.
async function follows(channel, hash) {
	await page.evaluate(() => performance.clearResourceTimings());
	await Promise.all([told(channel), go(hash)]);
	await page.waitForFunction((path) => performance.getEntriesByType("resource").filter((r) => r.name.includes(path)).length >= 2, `/api/v1/${channel}`);
}

// Reports come as they are made, and nothing is asked for meanwhile.
await follows("reports", "/reports");
await page.waitForFunction(() => !document.querySelector("main .wait"));
assert.equal(await page.locator("td:has-text('demo-0001')").count(), 0);
asked.length = 0;
device();
await page.waitForSelector("tr:has-text('demo-0001') >> text=Success");
assert.deepEqual(asked, []);
await look(me, "live-reports");

// The counts of a group's tasks, too; a menu that is open stays open.
await Promise.all([told("reports"), go("/groups/root.demo")]);
await page.click("details.menu summary");
device();
await page.waitForFunction(() => /2 · 0 · 0 · 0|1 · 0 · 0 · 0/.test(document.querySelector("main").textContent));
assert.ok(await page.isVisible("details.menu .sheet"));

// The overview moves without being asked for.
await follows("overview", "/");
asked.length = 0;
const crumb = await page.textContent("header .crumb");
await page.waitForFunction((before) => document.querySelector("header .crumb").textContent !== before, crumb);
assert.deepEqual(asked, []);

// A proxy that lets no events through: the pages ask now and then.
await page.route("**/api/v1/events/**", (route) => route.abort());
await go("/sessions");
await go("/unknown");
try { stranger("stranger-8"); } catch { /* it is refused */ }
await page.waitForSelector("td:has-text('stranger-8')");
process.exit(0);
