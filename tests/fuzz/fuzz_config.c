/*
 * cradle.conf: libconfig's parser behind its guards, then the schema; what was read is compared
 * and shown.
 */
#include <stddef.h>
#include <stdint.h>

#include "control/config/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config_changes changes;
	struct diag_list diags;
	struct config *config;

	diag_list_init(&diags);
	config = config_parse("fuzz/cradle.conf", (const char *)data, size, &diags);
	if (config && config_compare(config, config, &changes) == 0 && changes.count)
		__builtin_trap(); /* a configuration equals itself */
	if (config)
		config_changes_free(&changes);
	config_free(config);
	diag_list_fini(&diags);
	return 0;
}
