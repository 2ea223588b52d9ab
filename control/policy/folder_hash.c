#include "control/policy/folder_hash.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tasks/hash.h"

/* 0: it is no regular file, or cannot be read, which whoever uses it tells. */
static uint64_t
file_hash(int folder, const char *name)
{
	uint8_t bytes[16384];
	struct stat stat;
	uint64_t hash = HASH64_EMPTY;
	ssize_t len;
	int fd = openat(folder, name, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return 0;
	if (fstat(fd, &stat) < 0 || !S_ISREG(stat.st_mode)) {
		close(fd);
		return 0;
	}
	hash = hash64_bytes(hash, name, strlen(name) + 1);
	while ((len = read(fd, bytes, sizeof bytes)) > 0)
		hash = hash64_bytes(hash, bytes, (size_t)len);
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
		sum += hash64_word(file_hash(dirfd(directory), entry->d_name), 0);
	if (directory)
		closedir(directory);
	return sum;
}
