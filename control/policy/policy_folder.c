#include "control/policy/policy_folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NAME_MAX_BYTES = 300 };

static const char *const lists[] = { "groups.conf", "servers.conf", "trust.conf" };
static const char *const folders[] = { "tasks", "resources" };
static const char *const key_folders[] = { "keys", "certs" };
enum {
	LISTS = sizeof lists / sizeof lists[0],
	FOLDERS = sizeof folders / sizeof folders[0],
	KEY_FOLDERS = sizeof key_folders / sizeof key_folders[0],
};

struct visit {
	int folder;
	bool (*each)(void *ctx, const struct policy_source *file);
	void *ctx;
};

/* 0, 1: there is nothing to look at, or -errno. *text: to be wiped and freed. */
static int
read_whole(int fd, char **text, size_t *len)
{
	struct stat found;
	ssize_t n = 1;

	*len = 0;
	*text = NULL;
	if (fstat(fd, &found) < 0)
		return -errno;
	if (!S_ISREG(found.st_mode) || found.st_size > POLICY_FILE_MAX)
		return 1;
	*text = malloc((size_t)found.st_size + 1);
	if (!*text)
		return -ENOMEM;
	while (n > 0 && *len < (size_t)found.st_size) {
		n = read(fd, *text + *len, (size_t)found.st_size - *len);
		*len += n > 0 ? (size_t)n : 0;
	}
	(*text)[*len] = '\0';
	return n < 0 ? -errno : 0;
}

static int
visit_file(const struct visit *visit, const char *name)
{
	int fd = openat(visit->folder, name, O_RDONLY | O_NONBLOCK | O_CLOEXEC), result;
	struct policy_source file = { .name = name };
	char *text;

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	result = read_whole(fd, &text, &file.len);
	close(fd);
	file.text = text;
	if (result == 0 && !visit->each(visit->ctx, &file))
		result = -ECANCELED;
	if (text)
		explicit_bzero(text, file.len);
	free(text);
	return result < 0 ? result : 0;
}

static int
visit_folder(const struct visit *visit, const char *name)
{
	int fd = openat(visit->folder, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC), result = 0;
	DIR *directory = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!directory) {
		result = -errno;
		close(fd);
		return result;
	}
	while (result == 0 && (entry = readdir(directory))) {
		char path[NAME_MAX_BYTES];

		if (!policy_file_name_is_good(entry->d_name))
			continue;
		snprintf(path, sizeof path, "%s/%s", name, entry->d_name);
		result = visit_file(visit, path);
	}
	closedir(directory);
	return result;
}

int
policy_folder_each(const char *folder, bool (*each)(void *ctx, const struct policy_source *file),
		   void *ctx)
{
	struct visit visit = { open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC), each, ctx };
	int result = 0;

	if (visit.folder < 0)
		return -errno;
	for (unsigned i = 0; i < LISTS && result == 0; i++)
		result = visit_file(&visit, lists[i]);
	for (unsigned i = 0; i < FOLDERS && result == 0; i++)
		result = visit_folder(&visit, folders[i]);
	close(visit.folder);
	return result;
}

int
policy_folder_one(const char *folder, const char *name,
		  bool (*each)(void *ctx, const struct policy_source *file), void *ctx)
{
	struct visit visit = { open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC), each, ctx };
	int result;

	if (visit.folder < 0)
		return -errno;
	result = visit_file(&visit, name);
	close(visit.folder);
	return result;
}

static bool
is_in(const char *const *some, unsigned n, const char *name)
{
	for (unsigned i = 0; i < n; i++) {
		size_t len = strlen(some[i]);

		if (strncmp(name, some[i], len) == 0 && name[len] == '/')
			return policy_file_name_is_good(name + len + 1);
	}
	return false;
}

bool
policy_folder_has_key(const char *name)
{
	return is_in(key_folders, KEY_FOLDERS, name);
}

bool
policy_folder_has(const char *name)
{
	for (unsigned i = 0; i < LISTS; i++)
		if (strcmp(name, lists[i]) == 0)
			return true;
	return is_in(folders, FOLDERS, name);
}
