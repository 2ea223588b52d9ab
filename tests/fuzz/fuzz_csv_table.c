/* Look-up tables of tasks: whatever is read is found again. */
#include <stdlib.h>
#include <string.h>

#include "control/policy/csv_table.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *const *names;
	struct csv_table *table;
	struct diag_list diags;
	struct arena arena;
	size_t columns;

	diag_list_init(&diags);
	arena_init(&arena, 8 << 20);
	table = csv_table_parse("fuzz", (const char *)data, size, &arena, &diags);
	columns = table ? csv_table_columns(table, &names) : 0;
	if (!table && !diags.errors)
		abort();
	for (size_t i = 0; i < columns; i++) {
		const char *cell = csv_table_find(table, names[i], strlen(names[i]), "x", 1,
						  names[0], strlen(names[0]));

		if (cell && strlen(cell) > size)
			abort();
	}
	arena_fini(&arena);
	diag_list_fini(&diags);
	return 0;
}
