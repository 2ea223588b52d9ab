// Name and password; the session is a cookie that no script reads.
import { call, session } from "./api.js";
import { field, fill, h } from "./dom.js";

export function login(done) {
	const name = h("input", { name: "username", autocomplete: "username", required: true });
	const password = h("input", { type: "password", name: "password", autocomplete: "current-password", required: true });
	const wrong = h("div", { role: "alert" });
	const button = h("button.primary", null, "Log in");
	const submit = async (event) => {
		event.preventDefault();
		button.disabled = true;
		try {
			Object.assign(session, await call("/session", { method: "POST", body: { name: name.value, password: password.value } }));
			done();
		} catch (error) {
			fill(wrong, h("div.diag", null, error.message));
			password.value = "";
			password.focus();
		}
		button.disabled = false;
	};
	return h("main.login", null, h("form.panel", { onsubmit: submit },
		h("h1", null, "Cradle"), h("p.dim", null, "LwM2M bootstrap appliance"),
		field("Name", name), field("Password", password), wrong, h("p", null, button)));
}
