/*
 * static_files.h - the console's own files, read once and held in memory.
 *
 * A request names one of them or none: no path of a request ever reaches the file system. Files have a known extension;
 * others in the folder are not served. One thread. Allocates when they are read.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "tasks/diag.h"

enum { STATIC_FILES_MAX = 256, STATIC_FILE_MAX = 4 << 20 };

struct static_file {
	char *path; /* "/app.js", "/lib/codemirror.js" */
	const char *content_type;
	char *bytes;
	size_t len;
	char etag[36]; /* with its quotes */
};

struct static_files {
	struct static_file items[STATIC_FILES_MAX];
	unsigned count;
};

/* All of a folder and of folders in it, below `prefix` ("", "/lib"). False after adding errors. */
bool static_files_add_folder(struct static_files *files, const char *folder, const char *prefix,
			     struct diag_list *diags);
/* One file as `path`. */
bool static_files_add(struct static_files *files, const char *file, const char *path,
		      struct diag_list *diags);
void static_files_fini(struct static_files *files);
/* "/" is "/index.html". NULL: there is none. */
const struct static_file *static_files_find(const struct static_files *files, const char *path);
