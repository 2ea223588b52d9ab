#include "control/handover/passed_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static int
fail(struct passed_file *file)
{
	int result = -errno;

	passed_file_close(file);
	return result;
}

static int
map(struct passed_file *file)
{
	file->memory = mmap(NULL, file->size, PROT_READ | PROT_WRITE, MAP_SHARED, file->fd, 0);
	if (file->memory == MAP_FAILED) {
		file->memory = NULL;
		return -1;
	}
	/* Not into a core file. */
	(void)madvise(file->memory, file->size, MADV_DONTDUMP);
	return 0;
}

int
passed_file_make(struct passed_file *file, size_t size)
{
	*file = (struct passed_file){
		.fd = memfd_create("cradle-pass", MFD_CLOEXEC | MFD_ALLOW_SEALING), .size = size
	};
	if (file->fd < 0 || ftruncate(file->fd, (off_t)size) < 0 || map(file) < 0)
		return fail(file);
	return 0;
}

int
passed_file_seal(struct passed_file *file, size_t used)
{
	/* Where memory may be locked; else the service's unit keeps it off the swap. */
	(void)mlock(file->memory, used);
	if (ftruncate(file->fd, (off_t)used) < 0 ||
	    fcntl(file->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		return -errno;
	return 0;
}

int
passed_file_map(struct passed_file *file, int fd)
{
	const int sealed = F_SEAL_SHRINK | F_SEAL_GROW;
	struct stat found;
	int seals = fcntl(fd, F_GET_SEALS);

	*file = (struct passed_file){ .fd = fd };
	if (seals < 0 || (seals & sealed) != sealed) {
		errno = EPERM;
		return fail(file);
	}
	if (fstat(fd, &found) < 0)
		return fail(file);
	file->size = (size_t)found.st_size;
	if (file->size && map(file) < 0)
		return fail(file);
	return 0;
}

void
passed_file_close(struct passed_file *file)
{
	if (file->memory)
		munmap(file->memory, file->size);
	if (file->fd >= 0)
		close(file->fd);
	*file = (struct passed_file){ .fd = -1 };
}

void
passed_file_wipe(struct passed_file *file)
{
	struct stat found;

	/* What was written may be less than what was mapped. */
	if (file->memory && fstat(file->fd, &found) == 0 && found.st_size > 0)
		explicit_bzero(file->memory, (size_t)found.st_size < file->size
						     ? (size_t)found.st_size
						     : file->size);
	passed_file_close(file);
}
