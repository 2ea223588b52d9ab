/* A file of key-encryption keys: each key once taken opens what it sealed, and what is wrong is said. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "control/store/keyring.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1), error[KEYRING_ERROR_MAX] = "";
	struct keyring keyring;
	int result;

	if (!text)
		return 0;
	if (size)
		memcpy(text, data, size);
	text[size] = 0;
	result = keyring_parse("file", text, &keyring, error);
	if ((result == 0) != (keyring.n > 0) || (result == 0) != (*error == 0) || keyring.n > KEYRING_MAX)
		__builtin_trap();
	free(text);
	return 0;
}
