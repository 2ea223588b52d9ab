#include "control/handover/kept_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <systemd/sd-daemon.h>

#define STORED_NAME "cradle-associations"

enum { SEALS = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL };

/* ---- from the service manager ---- */

int
kept_file_inherited(void)
{
	char **names = NULL;
	int n = sd_listen_fds_with_names(1, &names), found = -1;

	for (int i = 0; i < n; i++) {
		if (found < 0 && strcmp(names[i], STORED_NAME) == 0)
			found = SD_LISTEN_FDS_START + i;
		else
			close(SD_LISTEN_FDS_START + i);
		free(names[i]);
	}
	free(names);
	return found;
}

bool
kept_file_store(struct kept_file *file)
{
	(void)sd_notify(0, "FDSTOREREMOVE=1\nFDNAME=" STORED_NAME);
	file->stored = sd_pid_notify_with_fds(0, 0, "FDSTORE=1\nFDNAME=" STORED_NAME, &file->fd,
					      1) > 0;
	return file->stored;
}

void
kept_file_unstore(struct kept_file *file)
{
	if (file->stored)
		(void)sd_notify(0, "FDSTOREREMOVE=1\nFDNAME=" STORED_NAME);
	file->stored = false;
}

/* ---- the file ---- */

static int
lock(int fd)
{
	const struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	if (fcntl(fd, F_SETLK, &whole) == 0)
		return 0;
	return errno == EACCES || errno == EAGAIN ? -EBUSY : -errno;
}

static int
map(struct kept_file *file)
{
	file->memory = mmap(NULL, file->size, PROT_READ | PROT_WRITE, MAP_SHARED, file->fd, 0);
	if (file->memory == MAP_FAILED) {
		file->memory = NULL;
		return -errno;
	}
	/* Not into a core file; off the swap with all other memory (privileges.h). */
	(void)madvise(file->memory, file->size, MADV_DONTDUMP);
	return 0;
}

static int
give_up(struct kept_file *file, int result)
{
	close(file->fd);
	*file = (struct kept_file){ .fd = -1 };
	return result;
}

int
kept_file_take(struct kept_file *file, int fd)
{
	struct stat found;
	int seals = fcntl(fd, F_GET_SEALS), result;

	*file = (struct kept_file){ .fd = fd, .stored = true };
	if (seals < 0 || (seals & SEALS) != SEALS || fstat(fd, &found) < 0 || found.st_size <= 0)
		return give_up(file, -EINVAL);
	file->size = (size_t)found.st_size;
	result = lock(fd);
	if (result == 0)
		result = map(file);
	return result == 0 ? 0 : give_up(file, result);
}

int
kept_file_make(struct kept_file *file, size_t size)
{
	int result = 0;

	*file = (struct kept_file){
		.fd = memfd_create(STORED_NAME, MFD_CLOEXEC | MFD_ALLOW_SEALING), .size = size
	};
	if (file->fd < 0)
		return -errno;
	if (ftruncate(file->fd, (off_t)size) < 0 || fcntl(file->fd, F_ADD_SEALS, SEALS) < 0)
		result = -errno;
	if (result == 0)
		result = lock(file->fd);
	if (result == 0)
		result = map(file);
	return result == 0 ? 0 : give_up(file, result);
}

void
kept_file_wipe(const struct kept_file *file)
{
	off_t at = 0, end;

	/* Pages that nobody wrote to are not there: looking at them would make them. */
	while ((at = lseek(file->fd, at, SEEK_DATA)) >= 0) {
		end = lseek(file->fd, at, SEEK_HOLE);
		if (end < 0 || (size_t)end > file->size)
			end = (off_t)file->size;
		explicit_bzero((char *)file->memory + at, (size_t)(end - at));
		at = end;
	}
}

void
kept_file_end(struct kept_file *file)
{
	if (file->fd < 0)
		return;
	kept_file_wipe(file);
	kept_file_unstore(file);
	munmap(file->memory, file->size);
	close(file->fd);
	*file = (struct kept_file){ .fd = -1 };
}
