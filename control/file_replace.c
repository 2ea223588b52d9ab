#include "control/file_replace.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The file behind links; the path itself where there is none yet. A link to nowhere would become a file of its own. */
static int
resolve(const char *path, char real[PATH_MAX])
{
	struct stat st;

	if (realpath(path, real))
		return 0;
	if (errno != ENOENT)
		return -errno;
	if (lstat(path, &st) == 0 && S_ISLNK(st.st_mode))
		return -ENOENT;
	return snprintf(real, PATH_MAX, "%s", path) < PATH_MAX ? 0 : -ENAMETOOLONG;
}

static int
sync_folder(const char *path)
{
	char copy[PATH_MAX];
	int fd, result = 0;

	snprintf(copy, sizeof copy, "%s", path);
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fsync(fd) < 0)
		result = -errno;
	close(fd);
	return result;
}

static int
write_all(int fd, const char *bytes, size_t len)
{
	while (len) {
		ssize_t n = write(fd, bytes, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		bytes += n;
		len -= (size_t)n;
	}
	return fsync(fd) < 0 ? -errno : 0;
}

static mode_t
mask_of(enum file_readers readers)
{
	static const mode_t masks[] = {
		[FILE_READ_AS_BEFORE] = 07777,
		[FILE_READ_BY_GROUP] = 07770,
		[FILE_READ_BY_OWNER] = 07700,
	};

	return masks[readers];
}

/*
 * As `like` or, without it, the file before; or the mode of a new one. Of the mode `readers` are
 * left. An owner that we may not give is no failure.
 */
static int
take_owner(int fd, const char *path, const struct file_content *content)
{
	const mode_t mask = mask_of(content->readers);
	const struct stat *like = content->like;
	struct stat st;

	if (!like && stat(path, &st) < 0)
		return fchmod(fd, 0640 & mask) < 0 ? -errno : 0;
	if (!like)
		like = &st;
	if (fchown(fd, like->st_uid, like->st_gid) < 0 && errno != EPERM)
		return -errno;
	return fchmod(fd, like->st_mode & mask) < 0 ? -errno : 0;
}

#define TEMPORARY "/.cradle-XXXXXX"

/* Beside what `path` resolves to, synced; then not yet in its place. */
static int
stage(const char *real, const struct file_content *content, char temporary[PATH_MAX])
{
	char folder[PATH_MAX];
	int result, fd;

	snprintf(folder, sizeof folder, "%s", real);
	if (snprintf(temporary, PATH_MAX, "%s" TEMPORARY, dirname(folder)) >= PATH_MAX)
		return -ENAMETOOLONG;
	fd = mkostemp(temporary, O_CLOEXEC);
	if (fd < 0)
		return -errno;
	result = take_owner(fd, real, content);
	if (result == 0)
		result = write_all(fd, content->bytes, content->len);
	if (close(fd) < 0 && result == 0)
		result = -errno;
	if (result < 0)
		unlink(temporary);
	return result;
}

int
file_stage(const char *path, const struct file_content *content, char staged[FILE_STAGED_MAX])
{
	char real[PATH_MAX], temporary[PATH_MAX];
	int result = resolve(path, real);

	if (result == 0)
		result = stage(real, content, temporary);
	if (result == 0)
		snprintf(staged, FILE_STAGED_MAX, "%s", strrchr(temporary, '/') + 1);
	return result;
}

char *
file_link(const char *path)
{
	char target[PATH_MAX];
	ssize_t len = readlink(path, target, sizeof target);

	return len > 0 && len < (ssize_t)sizeof target ? strndup(target, (size_t)len) : NULL;
}

int
file_stage_link(const char *path, const char *link, char staged[FILE_STAGED_MAX])
{
	const struct file_content nothing = { .bytes = "" };
	char at[PATH_MAX];
	int result = file_stage(path, &nothing, staged);

	/* The name is ours: what was written under it makes way for the link. */
	if (result == 0)
		result = file_staged_path(path, staged, at);
	if (result == 0 && (unlink(at) < 0 || symlink(link, at) < 0))
		result = -errno;
	return result;
}

int
file_staged_path(const char *path, const char *staged, char at[PATH_MAX])
{
	char real[PATH_MAX];
	int result = resolve(path, real);

	if (result == 0 && snprintf(at, PATH_MAX, "%s/%s", dirname(real), staged) >= PATH_MAX)
		return -ENAMETOOLONG;
	return result;
}

int
file_unstage(const char *path, const char *staged)
{
	char real[PATH_MAX], at[PATH_MAX];
	int result = resolve(path, real);

	if (result == 0)
		result = file_staged_path(path, staged, at);
	if (result == 0 && rename(at, real) < 0)
		result = -errno;
	if (result == 0)
		(void)sync_folder(real);
	return result;
}

static int
replace(const char *path, const void *bytes, size_t len, enum file_readers readers)
{
	const struct file_content content = { bytes, len, readers, NULL };
	char real[PATH_MAX], temporary[PATH_MAX];
	int result = resolve(path, real);

	if (result == 0)
		result = stage(real, &content, temporary);
	if (result < 0)
		return result;
	if (rename(temporary, real) < 0) {
		result = -errno;
		unlink(temporary);
		return result;
	}
	/* The new content is there; that a power cut might undo the rename is not worth a refusal
	 * that says that nothing has changed. */
	(void)sync_folder(real);
	return 0;
}

int
file_replace(const char *path, const void *bytes, size_t len)
{
	return replace(path, bytes, len, FILE_READ_AS_BEFORE);
}

int
file_replace_private(const char *path, const void *bytes, size_t len)
{
	return replace(path, bytes, len, FILE_READ_BY_GROUP);
}

const char *
file_remedy(int error)
{
	switch (error) {
	case ENOSPC:
	case EDQUOT:
		return "; free some space there, and try again";
	case EACCES:
	case EPERM:
		return "; check owner and mode of the file and its folder";
	case EROFS:
		return "; mount its file system for writing";
	case ENOENT:
	case ENOTDIR:
		return "; put it back, or correct the path that names it";
	case EIO:
		return "; look into the kernel's log and check the disk";
	default:
		return "";
	}
}

int
file_remove(const char *path)
{
	if (unlink(path) < 0 && errno != ENOENT)
		return -errno;
	(void)sync_folder(path);
	return 0;
}

bool
file_is_staged(const char *name)
{
	static const char pattern[] = TEMPORARY;
	size_t fixed = strcspn(pattern, "X") - 1;

	return strlen(name) == sizeof pattern - 2 && strncmp(name, pattern + 1, fixed) == 0 &&
	       !strchr(name, '/');
}

unsigned
file_sweep(const char *folder)
{
	DIR *directory = opendir(folder);
	struct dirent *entry;
	unsigned swept = 0;

	while (directory && (entry = readdir(directory)))
		if (file_is_staged(entry->d_name) &&
		    unlinkat(dirfd(directory), entry->d_name, 0) == 0)
			swept++;
	if (directory)
		closedir(directory);
	return swept;
}
