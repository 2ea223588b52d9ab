/* Keys from any bytes: what resolves can be written as a path and resolves to the same again. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "tasks/objects/key.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct objects *objects = objects_new();
	struct diag_list diags;
	struct key key, again;
	char path[64];

	diag_list_init(&diags);
	if (!key_parse(objects, (const char *)data, size, NULL, &diags, &key)) {
		key_path_format(&key.path, path, sizeof path);
		assert(!key_parse(objects, path, strlen(path), NULL, &diags, &again));
		assert(!memcmp(&key.path, &again.path, sizeof key.path));
	} else {
		assert(diags.errors > 0);
	}
	diag_list_fini(&diags);
	objects_free(objects);
	return 0;
}
