/*
 * body_template.h - text with {{NAME}} in it, where a fact of the message comes in: bodies and addresses of requests.
 *
 * {{NAME|FILTER|FILTER}} changes the value on its way, from left to right:
 *	hex, base64	of its bytes
 *	upper		A to Z for a to z
 *	json		as inside a JSON string, for JSON within JSON
 *	url		percent-encoded (RFC 3986 2.1)
 * What comes in is escaped for where it stands in any case: for a JSON string in a body, for a path or query in an
 * address. So bytes that are no UTF-8 need hex or base64. Braces that are not doubled stand for themselves.
 *
 * A template is immutable. Owner: whoever parsed it. Any thread. Allocates.
 */
#pragma once

#include "control/delivery/facts.h"
#include "control/text.h"
#include "tasks/diag.h"

enum {
	BODY_TEMPLATE_MAX = 65536, /* bytes of its text */
	BODY_PIECES_MAX = 256,
	BODY_FILTERS_MAX = 4,
	BODY_ERROR_MAX = 160,
};

enum body_use { BODY_JSON, BODY_ADDRESS };

struct body_template;

/* NULL after adding an error for everything that is wrong; `place` is where the text begins. */
struct body_template *body_template_parse(const char *text, size_t len, const struct place *place,
					  struct diag_list *diags);
void body_template_free(struct body_template *body); /* NULL: nothing */
/* Whether it has this fact in it. */
bool body_template_tells(const struct body_template *body, enum fact fact);
/*
 * Appends to out; what is secret is masked where `mask`. 0; -ENOMEM; -EILSEQ and a sentence: a value cannot stand where
 * the template puts it.
 */
int body_template_render(const struct body_template *body, enum body_use use,
			 const struct facts *facts, bool mask, struct text *out,
			 char error[BODY_ERROR_MAX]);
