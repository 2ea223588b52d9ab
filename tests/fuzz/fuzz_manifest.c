/* The manifest of a copy of the store: taken as a whole, or refused with a sentence. */
#include <string.h>

#include "control/store/store_manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char error[STORE_ERROR_MAX] = "";
	struct manifest manifest;
	int result = manifest_parse(&manifest, size ? (const char *)data : "", size, "copy", error);

	if ((result == 0) != (*error == 0))
		__builtin_trap();
	for (unsigned i = 0; result == 0 && i < MANIFEST_FILES; i++)
		if (strlen(manifest.files[i].sha256) != MANIFEST_DIGEST_MAX - 1)
			__builtin_trap();
	return 0;
}
