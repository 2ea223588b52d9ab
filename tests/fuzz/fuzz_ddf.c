/* Object definitions from any bytes: no crash, bounded memory, and a refusal always has a reason. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "tasks/objects/objects.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct objects *objects = objects_new();
	struct diag_list diags;
	int result;

	diag_list_init(&diags);
	result = objects_load_text(objects, "fuzz.xml", (const char *)data, size, &diags);
	assert((result >= 0) == (diags.errors == 0));
	diag_list_fini(&diags);
	objects_free(objects);
	return 0;
}
