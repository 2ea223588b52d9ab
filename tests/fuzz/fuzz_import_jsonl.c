/* Devices from JSON lines: what is taken must come back the same from an export. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/fuzz/import_round.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	import_round(IMPORT_JSONL, data, size);
	return 0;
}
