#include "control/policy/cert_name.h"

#include <stdlib.h>
#include <string.h>

#include "tasks/expr/expr.h"
#include "tasks/show.h"

/* A name is short: what needs more than this is a mistake, or somebody's attempt at one. */
enum {
	NAME_WORK =
		64 << 10, /* bytes that the template may read and make: well below a millisecond */
	NAME_MEMORY = 128 << 10,
	LIST_COUNT = 2, /* uris, dnsNames */
};

struct cert_name {
	struct arena arena;
	const struct template *template;
};

/* ---- parsing ---- */

/* What is wrong with a template that can be parsed: the rest of a sentence; or NULL. */
static const char *
refusal(const struct template *template)
{
	if (template_depends(template) == EXPR_CONSTANT)
		return "gives every device the same name: ${cert.cn} is missing, or the like";
	if (!(template_kinds(template) & 1u << VALUE_STRING))
		return "gives no text, and the name of an endpoint is text";
	return NULL;
}

struct cert_name *
cert_name_parse(const char *text, const struct place *place, struct diag_list *diags)
{
	struct cert_name *name = calloc(1, sizeof *name);
	const char *wrong;

	if (!name) {
		diag_error(diags, place, "out of memory");
		return NULL;
	}
	arena_init(&name->arena, 0);
	name->template = template_parse_certificate(&name->arena, text, strlen(text), place, diags);
	if (!name->template) {
		cert_name_free(name);
		return NULL;
	}
	wrong = refusal(name->template);
	if (!wrong)
		return name;
	diag_error(diags, place, "\"%.120s\" %s", text, wrong);
	cert_name_free(name);
	return NULL;
}

void
cert_name_free(struct cert_name *name)
{
	if (!name)
		return;
	arena_fini(&name->arena);
	free(name);
}

/* ---- making ---- */

/* A certificate as expressions see it. */
struct seen {
	const struct ec_subject *subject;
	struct value lists[LIST_COUNT][EC_SAN_MAX];
};

static struct value
text_or_null(const char *text)
{
	if (!*text)
		return (struct value){ .kind = VALUE_NULL };
	return (struct value){ .kind = VALUE_STRING, .text = { text, strlen(text) } };
}

static struct value
list_of(struct value items[EC_SAN_MAX], const char *const texts[EC_SAN_MAX], unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		items[i] = text_or_null(texts[i]);
	return (struct value){ .kind = VALUE_LIST, .list = { items, n } };
}

static bool
is(const char *name, size_t len, const char *word)
{
	return len == strlen(word) && memcmp(name, word, len) == 0;
}

/* expr_env.attribute: of "cert" and "cert.san"; no name is in both. */
static struct value
attribute(void *ctx, const char *root, const char *name, size_t len)
{
	struct seen *seen = ctx;
	const struct ec_subject *subject = seen->subject;

	if (is(name, len, "cn"))
		return text_or_null(subject->cn);
	if (is(name, len, "serialNumber"))
		return text_or_null(subject->serial_number);
	if (is(name, len, "serial"))
		return text_or_null(subject->serial);
	if (is(name, len, "fingerprint"))
		return text_or_null(subject->fingerprint);
	if (is(name, len, "spki"))
		return text_or_null(subject->spki);
	if (is(name, len, "uri"))
		return text_or_null(subject->n_uris ? subject->uris[0] : "");
	if (is(name, len, "dns"))
		return text_or_null(subject->n_dns ? subject->dns[0] : "");
	if (is(name, len, "uris"))
		return list_of(seen->lists[0], subject->uris, subject->n_uris);
	return list_of(seen->lists[1], subject->dns, subject->n_dns);
}

static const char *
evaluate(const struct cert_name *name, struct expr_eval *eval, struct value *value)
{
	if (template_eval(name->template, eval, value) < 0)
		return eval->error;
	if (value->kind == VALUE_NULL)
		return "what makes the endpoint's name is not in this certificate";
	if (value->kind != VALUE_STRING)
		return "what makes the endpoint's name gives no text";
	if (!value->text.len)
		return "the endpoint's name would be empty";
	if (memchr(value->text.at, '\0', value->text.len))
		return "the endpoint's name would have a NUL character";
	return NULL;
}

size_t
cert_name_make(const struct cert_name *name, const struct ec_subject *subject, char *out,
	       size_t size, char error[CERT_NAME_ERROR_MAX])
{
	struct seen seen = { .subject = subject };
	const struct expr_env env = { .ctx = &seen, .attribute = attribute };
	size_t work = NAME_WORK, len = 0;
	struct arena arena;
	struct expr_eval eval = { .env = &env, .arena = &arena, .work = &work };
	struct value value;
	const char *wrong;

	arena_init(&arena, NAME_MEMORY);
	wrong = evaluate(name, &eval, &value);
	if (!wrong && value.text.len > size)
		wrong = "the endpoint's name would be longer than a name may be";
	if (!wrong) {
		len = value.text.len;
		memcpy(out, value.text.at, len);
	} else if (error) {
		show_into(error, CERT_NAME_ERROR_MAX, "%s", wrong);
	}
	arena_fini(&arena);
	return len;
}
