// Names, values and summaries that devices and people make are text, whatever stands in them.
import { assert, person } from "./stage.mjs";

const me = await person("sina");
for (const hash of JSON.parse(process.env.PAGES)) {
	await me.go(hash);
	const found = await me.page.evaluate(() => ({ pwned: window.pwned, images: document.querySelectorAll("main img, main script, main iframe").length, text: document.querySelector("main").textContent }));
	assert.equal(found.pwned, undefined, hash);
	assert.equal(found.images, 0, hash);
	assert.ok(found.text.includes("<img src=x onerror=window.pwned=1>"), `${hash}: ${found.text.slice(0, 500)}`);
	assert.deepEqual(me.faults, [], hash);
}
process.exit(0);
