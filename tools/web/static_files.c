#include "tools/web/static_files.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <sodium.h>

static const char *
content_type_of(const char *path)
{
	static const struct {
		const char *extension, *type;
	} types[] = {
		{ ".html", "text/html; charset=utf-8" },
		{ ".css", "text/css; charset=utf-8" },
		{ ".js", "text/javascript; charset=utf-8" },
		{ ".svg", "image/svg+xml" },
	};
	const char *extension = strrchr(path, '.');

	for (unsigned i = 0; extension && i < sizeof types / sizeof types[0]; i++)
		if (strcmp(extension, types[i].extension) == 0)
			return types[i].type;
	return NULL;
}

static char *
read_whole(const char *file, size_t *len)
{
	FILE *stream = fopen(file, "re");
	char *bytes = stream ? malloc(STATIC_FILE_MAX + 1) : NULL;

	if (bytes) {
		*len = fread(bytes, 1, STATIC_FILE_MAX + 1, stream);
		if (ferror(stream) || *len > STATIC_FILE_MAX) {
			errno = ferror(stream) ? EIO : EFBIG;
			free(bytes);
			bytes = NULL;
		}
	}
	if (stream)
		fclose(stream);
	if (bytes) {
		char *fitting = realloc(bytes, *len + 1);

		bytes = fitting ? fitting : bytes;
	}
	return bytes;
}

bool
static_files_add(struct static_files *files, const char *file, const char *path,
		 struct diag_list *diags)
{
	const struct place place = { .file = file };
	struct static_file *item = &files->items[files->count];
	unsigned char hash[16];

	if (files->count == STATIC_FILES_MAX) {
		diag_error(diags, &place, "more than %d files", STATIC_FILES_MAX);
		return false;
	}
	*item = (struct static_file){ .content_type = content_type_of(path) };
	item->bytes = read_whole(file, &item->len);
	item->path = strdup(path);
	if (!item->bytes || !item->path || !item->content_type) {
		diag_error(diags, &place, "cannot be served: %s",
			   item->content_type ? strerror(errno) : "its kind is not known");
		free(item->bytes);
		free(item->path);
		return false;
	}
	crypto_generichash(hash, sizeof hash, (const unsigned char *)item->bytes, item->len, NULL,
			   0);
	item->etag[0] = '"';
	sodium_bin2hex(item->etag + 1, sizeof item->etag - 1, hash, sizeof hash);
	memcpy(item->etag + 1 + 2 * sizeof hash, "\"", 2);
	files->count++;
	return true;
}

/* One entry of a folder: a file, or a folder in turn. */
static bool
add_entry(struct static_files *files, const char *file, const char *path, struct diag_list *diags)
{
	struct stat st;

	if (stat(file, &st) == 0 && S_ISDIR(st.st_mode))
		return static_files_add_folder(files, file, path, diags);
	return !content_type_of(path) || static_files_add(files, file, path, diags);
}

bool
static_files_add_folder(struct static_files *files, const char *folder, const char *prefix,
			struct diag_list *diags)
{
	const struct place place = { .file = folder };
	DIR *directory = opendir(folder);
	struct dirent *entry;
	bool good = directory != NULL;

	if (!directory)
		diag_error(diags, &place, "cannot be read: %s", strerror(errno));
	while (good && (entry = readdir(directory))) {
		char file[PATH_MAX], path[PATH_MAX];

		if (entry->d_name[0] == '.')
			continue;
		snprintf(file, sizeof file, "%s/%s", folder, entry->d_name);
		snprintf(path, sizeof path, "%s/%s", prefix, entry->d_name);
		good = add_entry(files, file, path, diags);
	}
	if (directory)
		closedir(directory);
	return good;
}

void
static_files_fini(struct static_files *files)
{
	for (unsigned i = 0; i < files->count; i++) {
		free(files->items[i].path);
		free(files->items[i].bytes);
	}
	files->count = 0;
}

const struct static_file *
static_files_find(const struct static_files *files, const char *path)
{
	if (strcmp(path, "/") == 0)
		path = "/index.html";
	for (unsigned i = 0; i < files->count; i++)
		if (strcmp(files->items[i].path, path) == 0)
			return &files->items[i];
	return NULL;
}
