// The appliance is restarted under an open page: the page says so, and goes on by itself. Then a large inventory.
import { ask, assert, person, settled } from "./stage.mjs";

const me = await person("vera");
await me.page.waitForSelector(".verdict");
await ask("stop");
await me.page.waitForSelector(".verdict.bad >> text=does not answer");
await ask("start");
await me.page.waitForSelector("text=All is well");

await ask("fill");
await me.go("/devices");
for (let n = 100; n < 1000; n += 100) {
	await me.page.waitForFunction((want) => document.querySelectorAll("main tbody tr").length === want, n);
	await me.page.click("button:has-text('Show more')");
}
await settled(me.page);
await me.page.fill("[type=search]", "mass-0099999");
await me.page.click("button:has-text('Search')");
await me.page.waitForFunction(() => document.querySelectorAll("main tbody tr").length === 1);
assert.match(await me.page.textContent("main tbody"), /mass-0099999/);
process.exit(0);
