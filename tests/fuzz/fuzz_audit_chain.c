/* Lines of an audit file: each is taken or refused, and what follows is still held against the last good one. */
#include <string.h>

#include "control/audit/audit_chain.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct audit_chain chain = { 0 };
	const char *at = (const char *)data, *end = at + size;

	while (at && at < end) {
		const char *line_end = memchr(at, '\n', (size_t)(end - at));
		size_t len = (size_t)((line_end ? line_end : end) - at);
		char error[AUDIT_ERROR_MAX] = "";
		uint64_t before = chain.seq;
		json_t *json = NULL;
		int result = audit_chain_take(&chain, at, len, &json, error);

		if ((result == 0) != (*error == 0) || (result && chain.seq != before) ||
		    chain.cut > chain.lines)
			__builtin_trap();
		json_decref(json);
		at = line_end ? line_end + 1 : NULL;
	}
	return 0;
}
