#include "control/policy/folder_hash.h"

#include <dirent.h>
#include <sys/stat.h>

uint64_t
folder_hash(const char *folder)
{
	DIR *directory = opendir(folder);
	uint64_t sum = 0;
	struct dirent *entry;

	while (directory && (entry = readdir(directory))) {
		uint64_t hash = 0xcbf29ce484222325;
		struct stat stat;

		if (fstatat(dirfd(directory), entry->d_name, &stat, 0) < 0 ||
		    !S_ISREG(stat.st_mode))
			continue;
		for (const char *at = entry->d_name; *at; at++)
			hash = (hash ^ (uint8_t)*at) * 0x100000001b3;
		hash = (hash ^ (uint64_t)stat.st_size) * 0x100000001b3;
		hash = (hash ^ (uint64_t)stat.st_mtim.tv_sec) * 0x100000001b3;
		sum += (hash ^ (uint64_t)stat.st_mtim.tv_nsec) * 0x100000001b3;
	}
	if (directory)
		closedir(directory);
	return sum;
}
