#include "tasks/compile/secrets.h"

#include <assert.h>
#include <string.h>

#include "tasks/base64.h"

enum { FORMS = 5 };

/* The ways in which a task may show a value. */
struct secret_forms {
	struct {
		const char *at;
		size_t len;
	} form[FORMS]; /* as it is, hex of both cases, base64 of both alphabets without padding */
	const struct secret_forms *next;
};

bool
secrets_add(struct secrets *secrets, struct arena *arena, const char *at, size_t len)
{
	return expr_secret_add(&secrets->values, arena, at, len);
}

static void
put_hex(char *out, const struct expr_secret *secret, const char *digits)
{
	for (size_t i = 0; i < secret->len; i++) {
		*out++ = digits[(unsigned char)secret->at[i] >> 4];
		*out++ = digits[(unsigned char)secret->at[i] & 15];
	}
}

/* Whole groups alone are the same wherever the value ends: what the last bytes become depends on what follows. */
static size_t
put_base64(char *out, const struct expr_secret *secret, enum base64_alphabet alphabet)
{
	return base64_encode(alphabet, (const uint8_t *)secret->at, secret->len / 3 * 3, out);
}

static bool
make_forms(struct secrets *secrets, struct arena *arena, const struct expr_secret *secret)
{
	size_t hex = 2 * secret->len, base64 = (secret->len + 2) / 3 * 4 + 1;
	struct secret_forms *forms = arena_alloc(arena, sizeof *forms);
	char *room = arena_alloc(arena, 2 * hex + 2 * base64);

	if (!forms || !room)
		return false;
	forms->form[0].at = secret->at;
	forms->form[0].len = secret->len;
	for (int i = 1; i < FORMS; i++) {
		forms->form[i].at = room;
		if (i < 3) {
			put_hex(room, secret, i == 1 ? "0123456789abcdef" : "0123456789ABCDEF");
			forms->form[i].len = hex;
			room += hex;
			continue;
		}
		forms->form[i].len =
			put_base64(room, secret, i == 3 ? BASE64_STANDARD : BASE64_URL);
		room += base64;
	}
	forms->next = secrets->forms;
	secrets->forms = forms;
	return true;
}

static bool
know_all(struct secrets *secrets, struct arena *arena)
{
	for (const struct expr_secret *secret = secrets->values; secret != secrets->known;
	     secret = secret->next)
		if (!make_forms(secrets, arena, secret))
			return false;
	secrets->known = secrets->values;
	return true;
}

/* Sets the bytes of `marks` where the form stands; returns whether it does anywhere. */
static bool
mark(const struct value *text, const char *form, size_t len, char *marks)
{
	const char *at = text->text.at, *end = at + text->text.len;
	bool found = false;

	while (len && (at = memmem(at, (size_t)(end - at), form, len))) {
		memset(marks + (at - text->text.at), 1, len);
		found = true;
		at++;
	}
	return found;
}

static size_t
put_masked(const struct value *text, const char *marks, char *out)
{
	size_t used = 0;

	for (size_t i = 0; i < text->text.len; i++) {
		if (!marks[i]) {
			out[used++] = text->text.at[i];
		} else if (!i || !marks[i - 1]) {
			memcpy(out + used, SECRET_MASK, sizeof SECRET_MASK - 1);
			used += sizeof SECRET_MASK - 1;
		}
	}
	return used;
}

bool
secrets_mask(struct secrets *secrets, struct arena *arena, struct value *text, bool *found)
{
	bool any = false;
	char *marks, *out;

	assert(text->kind == VALUE_STRING);
	if (found)
		*found = false;
	if (!secrets->values || !text->text.len)
		return true;
	marks = arena_alloc(arena, text->text.len);
	if (!marks || !know_all(secrets, arena))
		return false;
	memset(marks, 0, text->text.len);
	for (const struct secret_forms *forms = secrets->forms; forms; forms = forms->next)
		for (int i = 0; i < FORMS; i++)
			any |= mark(text, forms->form[i].at, forms->form[i].len, marks);
	if (found)
		*found = any;
	if (!any)
		return true;
	out = arena_alloc(arena, text->text.len * (sizeof SECRET_MASK - 1));
	if (!out)
		return false;
	text->text.len = put_masked(text, marks, out);
	text->text.at = out;
	return true;
}
