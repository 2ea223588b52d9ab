#include "control/policy/cert_name.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

typedef const char *part(const struct ec_subject *subject);

static const char *
cn(const struct ec_subject *subject)
{
	return subject->cn;
}

static const char *
serial_number(const struct ec_subject *subject)
{
	return subject->serial_number;
}

static const char *
serial(const struct ec_subject *subject)
{
	return subject->serial;
}

static const char *
uri(const struct ec_subject *subject)
{
	return subject->n_uris ? subject->uris[0] : "";
}

static const char *
dns(const struct ec_subject *subject)
{
	return subject->n_dns ? subject->dns[0] : "";
}

static const char *
fingerprint(const struct ec_subject *subject)
{
	return subject->fingerprint;
}

static const char *
spki(const struct ec_subject *subject)
{
	return subject->spki;
}

static const struct {
	const char *name;
	part *get;
} parts[] = {
	{ "cn", cn },   { "serial_number", serial_number }, { "serial", serial }, { "uri", uri },
	{ "dns", dns }, { "fingerprint", fingerprint },     { "spki", spki },
};

enum { PARTS = sizeof parts / sizeof parts[0] };

/* Of the word behind a brace; NULL: there is none of that name. */
static part *
find_part(const char *word, size_t len)
{
	for (unsigned i = 0; i < PARTS; i++)
		if (strlen(parts[i].name) == len && memcmp(parts[i].name, word, len) == 0)
			return parts[i].get;
	return NULL;
}

const char *
cert_name_check(const char *text)
{
	bool filled = false;
	size_t len;

	for (const char *at = strpbrk(text, "{}"); at; at = strpbrk(at + 1 + len + 1, "{}")) {
		len = strcspn(at + 1, "}");
		if (*at == '}' || !at[1 + len])
			return "has a brace without its other one";
		if (!find_part(at + 1, len))
			return "asks for what no certificate has; there are cn, serial_number, "
			       "serial, uri, dns, fingerprint and spki";
		filled = true;
	}
	return filled ? NULL : "gives every device the same name: {cn} is missing, or the like";
}

size_t
cert_name_make(const char *text, const struct ec_subject *subject, char *name, size_t size)
{
	size_t made = 0;

	while (*text) {
		size_t len = *text == '{' ? strcspn(text, "}") + 1 : strcspn(text, "{");
		const char *from = text;
		size_t n = len;

		if (*text == '{') {
			from = find_part(text + 1, len - 2)(subject);
			n = strlen(from);
			if (n == 0)
				return 0;
		}
		if (n > size - made)
			return 0;
		memcpy(name + made, from, n);
		made += n;
		assert(made <= size);
		text += len;
	}
	return made;
}
