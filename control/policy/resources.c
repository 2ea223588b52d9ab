#include "control/policy/resources.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/config/conf_text.h"
#include "control/policy/csv_table.h"
#include "control/policy/folder_hash.h"
#include "tasks/batch.h"

enum { PATH_BYTES = 4096 };

struct resource_table {
	struct resource_table *next;
	const char *alias;
	struct csv_table *table;
};

struct resource_file {
	struct resource_file *next;
	const char *name;
	bool there;
	struct compile_file file;
};

struct resources {
	const char *folder;
	struct arena *arena;
	struct resource_table *tables;
	struct resource_file *files;
	uint64_t hash;
};

static void
load_table(struct resources *resources, const char *name, struct diag_list *diags)
{
	struct resource_table *table = arena_alloc(resources->arena, sizeof *table);
	char path[PATH_BYTES], *text;
	const char *kept;
	size_t len;

	snprintf(path, sizeof path, "%s/%s", resources->folder, name);
	text = conf_file_read(path, CSV_TABLE_BYTES_MAX, &len, diags);
	kept = arena_copy(resources->arena, path, strlen(path));
	if (!text || !table || !kept)
		return;
	table->alias = arena_copy(resources->arena, name, strlen(name) - strlen(".csv"));
	table->table = csv_table_parse(kept, text, len, resources->arena, diags);
	explicit_bzero(text, len);
	free(text);
	if (!table->alias || !table->table)
		return;
	table->next = resources->tables;
	resources->tables = table;
}

static bool
is_table(const char *name)
{
	size_t len = strlen(name);

	return len > 4 && name[0] != '.' && strcmp(name + len - 4, ".csv") == 0;
}

struct resources *
resources_load(const char *policy_folder, struct arena *arena, struct diag_list *diags)
{
	struct resources *resources = arena_alloc(arena, sizeof *resources);
	struct place place = { 0 };
	char path[PATH_BYTES];
	struct dirent *entry;
	DIR *folder;

	snprintf(path, sizeof path, "%s/resources", policy_folder);
	if (!resources)
		return NULL;
	*resources = (struct resources){ .arena = arena,
					 .folder = arena_copy(arena, path, strlen(path)) };
	if (!resources->folder)
		return NULL;
	resources->hash = folder_hash(resources->folder);
	folder = opendir(resources->folder);
	place.file = resources->folder;
	if (!folder && errno != ENOENT)
		diag_error(diags, &place, "the folder cannot be read: %s", strerror(errno));
	while (folder && (entry = readdir(folder)))
		if (is_table(entry->d_name))
			load_table(resources, entry->d_name, diags);
	if (folder)
		closedir(folder);
	return resources;
}

const char *
resources_find(struct resources *resources, const char *alias, size_t alias_len, const char *by,
	       size_t by_len, const char *key, size_t key_len, const char *wanted,
	       size_t wanted_len)
{
	for (struct resource_table *table = resources->tables; table; table = table->next)
		if (strlen(table->alias) == alias_len &&
		    memcmp(table->alias, alias, alias_len) == 0)
			return csv_table_find(table->table, by, by_len, key, key_len, wanted,
					      wanted_len);
	return NULL;
}

static bool
is_file_name(const char *name, size_t len)
{
	return len && len <= RESOURCE_NAME_MAX && name[0] != '.' && !memchr(name, '/', len) &&
	       !memchr(name, '\0', len);
}

static void
read_file(struct resources *resources, struct resource_file *file)
{
	char path[PATH_BYTES], *text;
	struct diag_list diags;
	size_t len;

	snprintf(path, sizeof path, "%s/%s", resources->folder, file->name);
	diag_list_init(&diags); /* the task's report says that there is no such file */
	text = conf_file_read(path, BATCH_PAYLOAD_MAX, &len, &diags);
	diag_list_fini(&diags);
	if (!text)
		return;
	file->file.bytes = (const uint8_t *)arena_copy(resources->arena, text, len);
	file->file.len = len;
	file->there = file->file.bytes != NULL;
	explicit_bzero(text, len);
	free(text);
}

const struct compile_file *
resources_file(struct resources *resources, const char *name, size_t len)
{
	struct resource_file *file;

	for (file = resources->files; file; file = file->next)
		if (strlen(file->name) == len && memcmp(file->name, name, len) == 0)
			return file->there ? &file->file : NULL;
	if (!is_file_name(name, len))
		return NULL;
	file = arena_alloc(resources->arena, sizeof *file);
	if (!file)
		return NULL;
	*file = (struct resource_file){ .name = arena_copy(resources->arena, name, len),
					.next = resources->files };
	if (!file->name)
		return NULL;
	read_file(resources, file);
	resources->files = file;
	return file->there ? &file->file : NULL;
}

uint64_t
resources_hash(const struct resources *resources)
{
	return resources->hash;
}

/* --- what tasks name --- */

struct check {
	struct resources *resources;
	struct diag_list *diags;
};

static void
check_column(const struct check *check, const struct task_resource *used,
	     const struct csv_table *table, struct task_text column)
{
	const char *const *names;
	size_t n = csv_table_columns(table, &names);
	const char *nearest;
	char name[80];

	for (size_t i = 0; i < n; i++)
		if (strlen(names[i]) == column.len && memcmp(names[i], column.at, column.len) == 0)
			return;
	snprintf(name, sizeof name, "%.*s", (int)(column.len < 79 ? column.len : 79), column.at);
	nearest = diag_nearest(name, names, n);
	diag_warning(check->diags, &used->place, "resources/%.*s.csv has no column \"%s\"%s%s%s",
		     (int)(used->name.len < 80 ? used->name.len : 80), used->name.at, name,
		     nearest ? "; did you mean \"" : "", nearest ? nearest : "",
		     nearest ? "\"?" : "");
}

static void
check_table(const struct check *check, const struct task_resource *used)
{
	const struct resource_table *table = check->resources->tables;

	while (table && (strlen(table->alias) != used->name.len ||
			 memcmp(table->alias, used->name.at, used->name.len) != 0))
		table = table->next;
	if (!table) {
		diag_warning(check->diags, &used->place, "there is no table resources/%.*s.csv",
			     (int)(used->name.len < 80 ? used->name.len : 80), used->name.at);
		return;
	}
	if (used->by.at)
		check_column(check, used, table->table, used->by);
	check_column(check, used, table->table, used->wanted);
}

static void
check_resource(void *ctx, const struct task_resource *used)
{
	const struct check *check = ctx;

	if (used->is_table)
		check_table(check, used);
	else if (!resources_file(check->resources, used->name.at, used->name.len))
		diag_warning(check->diags, &used->place,
			     "there is no file resources/%.*s, or it has more than %d bytes",
			     (int)(used->name.len < 80 ? used->name.len : 80), used->name.at,
			     BATCH_PAYLOAD_MAX);
}

void
resources_check(struct resources *resources, const struct task *task, struct diag_list *diags)
{
	struct check check = { resources, diags };

	task_each_resource(task, check_resource, &check);
}
