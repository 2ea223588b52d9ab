#include "control/policy/folder_hash.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static const uint64_t begin = 0xcbf29ce484222325, prime = 0x100000001b3;

static uint64_t
mix(uint64_t hash, const void *bytes, size_t len)
{
	const uint8_t *at = bytes;

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ at[i]) * prime;
	return hash;
}

/* 0: it is no regular file, or cannot be read, which whoever uses it tells. */
static uint64_t
file_hash(int folder, const char *name)
{
	uint8_t bytes[16384];
	struct stat stat;
	uint64_t hash = begin;
	ssize_t len;
	int fd = openat(folder, name, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return 0;
	if (fstat(fd, &stat) < 0 || !S_ISREG(stat.st_mode)) {
		close(fd);
		return 0;
	}
	for (; *name; name++)
		hash = mix(hash, name, 1);
	hash = mix(hash, "", 1);
	while ((len = read(fd, bytes, sizeof bytes)) > 0)
		hash = mix(hash, bytes, (size_t)len);
	close(fd);
	return hash;
}

uint64_t
folder_hash(const char *folder)
{
	DIR *directory = opendir(folder);
	uint64_t sum = 0;
	struct dirent *entry;

	while (directory && (entry = readdir(directory)))
		sum += file_hash(dirfd(directory), entry->d_name) * prime;
	if (directory)
		closedir(directory);
	return sum;
}
