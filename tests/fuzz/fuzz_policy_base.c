/* What says which version of the cluster's policy a folder's files are: taken as a whole, with names of the folder, or not. */
#include <stdlib.h>
#include <string.h>

#include "control/runs/policy_base.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	struct policy_base base;
	int result;

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	result = policy_base_parse(text, size, NULL, &base);
	if ((result == 0) != (base.version > 0))
		__builtin_trap();
	for (size_t i = 0; i < base.files.n; i++)
		if (!policy_set_shares(base.files.files[i].name))
			__builtin_trap();
	policy_base_fini(&base);
	free(text);
	return 0;
}
