/*
 * cradle.conf: libconfig's parser behind its guards, then the schema; what was read is compared, shown and handed to the
 * dataplane. Input: a configuration, and behind a byte 0x1e another one, to which a reload goes on.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "control/config/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SEPARATOR = 0x1e };

static struct config *
parse(const char *text, size_t len, bool *good)
{
	struct diag_list diags;
	struct config *config;

	diag_list_init(&diags);
	config = config_parse("fuzz/cradle.conf", text, len, &diags);
	*good = config && diags.errors == 0;
	if (!config && !diags.errors)
		__builtin_trap(); /* it says why */
	diag_list_fini(&diags);
	return config;
}

static void
count_value(void *ctx, const struct config_value *value)
{
	unsigned *live = ctx;
	struct text help;

	text_init(&help);
	if (!config_help_one(
		    strrchr(value->name, ']') ? strrchr(value->name, ']') + 2 : value->name, &help))
		__builtin_trap(); /* what is shown is explained */
	text_fini(&help);
	*live += value->live;
}

/* What runs may have no error: then it fits the dataplane. */
static void
use(const struct config *config)
{
	struct dataplane_config dataplane;
	unsigned live = 0;

	config_dataplane(config, &dataplane);
	config_each(config, count_value, &live);
	if (!live || !dataplane.n_ports || !dataplane.n_listeners)
		__builtin_trap();
}

/* All that is live is taken over, and nothing else. */
static void
go_on(struct config *running, const struct config *new)
{
	struct config_changes changes;
	unsigned fixed = 0, left = 0;

	if (config_compare(running, new, &changes) == 0)
		for (unsigned i = 0; i < changes.count; i++)
			fixed += !changes.items[i].live;
	config_changes_free(&changes);
	if (config_apply_live(running, new) == 0 && config_compare(running, new, &changes) == 0)
		left = changes.count;
	config_changes_free(&changes);
	if (left != fixed)
		__builtin_trap();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data,
		   *second = size ? memchr(data, SEPARATOR, size) : NULL;
	size_t len = second ? (size_t)(second - text) : size;
	struct config *config, *other = NULL;
	bool good, other_good = false;

	config = parse(text, len, &good);
	if (second)
		other = parse(second + 1, size - len - 1, &other_good);
	if (good)
		use(config);
	if (config)
		go_on(config, config); /* a configuration equals itself */
	if (good && other_good)
		go_on(config, other);
	config_free(config);
	config_free(other);
	return 0;
}
