/* A swarm's devices as CSV: every credential of what was read stays within its bounds. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tools/storm/names.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char error[NAMES_ERROR_MAX], *text = malloc(size + 1);
	struct names names = { 0 };
	struct credential credential;

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	if (names_parse(&names, text, "fuzz.csv", error) == 0)
		for (uint32_t i = 0; i < names.count; i++) {
			names_get(&names, i, &credential);
			if (!credential.endpoint_len || credential.key_len > NAMES_KEY_MAX)
				__builtin_trap();
		}
	names_free(&names);
	return 0;
}
