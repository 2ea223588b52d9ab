/* Templates of requests, rendered with facts of any bytes; and facts as a store may hold them. */
#include <stdlib.h>
#include <string.h>

#include "control/delivery/body_template.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_render(const struct body_template *body, const struct facts *facts)
{
	for (int use = BODY_JSON; use <= BODY_ADDRESS; use++) {
		char error[BODY_ERROR_MAX];
		struct text out;

		text_init(&out);
		(void)body_template_render(body, (enum body_use)use, facts, use == BODY_JSON, &out,
					   error);
		text_fini(&out);
	}
}

/* The first byte says how much is facts. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct place place = { .file = "t", .line = 1, .column = 1 };
	size_t n = size ? data[0] : 0;
	struct body_template *body;
	struct diag_list diags;
	struct facts facts;

	if (!size || n > size - 1)
		return 0;
	if (!facts_decode(data + 1, n, &facts))
		facts_sample(EVENT_CREDENTIALS, &facts);
	diag_list_init(&diags);
	body = body_template_parse((const char *)data + 1 + n, size - 1 - n, &place, &diags);
	if (body)
		check_render(body, &facts);
	body_template_free(body);
	diag_list_fini(&diags);
	return 0;
}
