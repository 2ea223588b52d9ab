#include "tools/cradlectl_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* What a signal must remove: set while there is a temporary file. */
static const char *volatile unfinished;

static const int numbers[] = { SIGINT, SIGTERM, SIGHUP, SIGPIPE };
enum { SIGNALS = sizeof numbers / sizeof *numbers };
static struct sigaction before[SIGNALS]; /* who has the last word */

static void
on_signal(int number)
{
	if (unfinished)
		unlink(unfinished);
	for (size_t i = 0; i < SIGNALS; i++)
		if (numbers[i] == number)
			sigaction(number, &before[i], NULL);
	raise(number);
}

static void
watch_signals(void)
{
	struct sigaction action = { .sa_handler = on_signal };

	for (size_t i = 0; i < SIGNALS; i++)
		sigaction(numbers[i], &action, &before[i]);
}

static int
complain(const char *path, char *error, size_t size)
{
	snprintf(error, size, "%s: %s", path, strerror(errno));
	return -1;
}

/* All bytes of one descriptor to another: 0 or -1 with errno. */
static int
copy(int from, int to)
{
	char bytes[65536];
	ssize_t n, put;

	while ((n = read(from, bytes, sizeof bytes)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		for (ssize_t at = 0; at < n; at += put) {
			put = write(to, bytes + at, (size_t)(n - at));
			if (put < 0 && errno != EINTR)
				return -1;
			put = put < 0 ? 0 : put;
		}
	}
	return 0;
}

/* The memory file in place of what can't be passed; takes `fd`. */
static int
spool(struct carried *carried, int fd, char *error, size_t size)
{
	carried->fd = memfd_create("cradlectl", MFD_CLOEXEC);
	if (carried->fd < 0) {
		close(fd);
		return complain("a memory file", error, size);
	}
	if (carried->as == CARRIED_WRITE) {
		carried->spool_to = fd;
		return 0;
	}
	if (copy(fd, carried->fd) || lseek(carried->fd, 0, SEEK_SET) < 0) {
		complain(carried->path, error, size);
		close(fd);
		close(carried->fd);
		carried->fd = -1;
		return -1;
	}
	close(fd);
	return 0;
}

static int
open_standard(struct carried *carried, char *error, size_t size)
{
	struct stat st;
	bool writes = carried->as == CARRIED_WRITE;
	int fd = dup(writes ? STDOUT_FILENO : STDIN_FILENO);

	snprintf(carried->path, sizeof carried->path, "standard %s",
		 writes ? "output" : "input");
	if (fd < 0 || fstat(fd, &st))
		return complain(carried->path, error, size);
	if (!S_ISREG(st.st_mode))
		return spool(carried, fd, error, size);
	carried->fd = fd;
	return 0;
}

static int
open_input(struct carried *carried, char *error, size_t size)
{
	struct stat st;
	int fd = open(carried->path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &st))
		return complain(carried->path, error, size);
	if (!S_ISREG(st.st_mode))
		return spool(carried, fd, error, size);
	carried->fd = fd;
	return 0;
}

static int
open_output(struct carried *carried, char *error, size_t size)
{
	struct stat st;
	int fd, len;

	if (stat(carried->path, &st) == 0 && !S_ISREG(st.st_mode)) {
		fd = open(carried->path, O_WRONLY | O_CLOEXEC);
		if (fd < 0)
			return complain(carried->path, error, size);
		return spool(carried, fd, error, size);
	}
	len = snprintf(carried->temporary, sizeof carried->temporary, "%s.XXXXXX", carried->path);
	if (len < 0 || (size_t)len >= sizeof carried->temporary) {
		errno = ENAMETOOLONG;
		carried->temporary[0] = '\0';
		return complain(carried->path, error, size);
	}
	carried->fd = mkostemp(carried->temporary, O_CLOEXEC);
	if (carried->fd < 0) {
		carried->temporary[0] = '\0';
		return complain(carried->path, error, size);
	}
	unfinished = carried->temporary;
	watch_signals();
	return 0;
}

static int
open_folder(struct carried *carried, char *error, size_t size)
{
	if (mkdir(carried->path, 0700) < 0)
		return complain(carried->path, error, size);
	carried->fd = open(carried->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return carried->fd < 0 ? complain(carried->path, error, size) : 0;
}

/* Nothing that was there is followed, or written over. */
static int
open_new(struct carried *carried, char *error, size_t size)
{
	carried->fd = open(carried->path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (carried->fd < 0)
		return complain(carried->path, error, size);
	memcpy(carried->temporary, carried->path, sizeof carried->temporary);
	unfinished = carried->temporary;
	watch_signals();
	return 0;
}

int
carried_open(struct carried *carried, const char *path, enum carried_as as, char *error,
	     size_t size)
{
	*carried = (struct carried){ .fd = -1, .as = as, .spool_to = -1 };
	if (as == CARRIED_CREATE && (!path || strcmp(path, "-") == 0)) {
		snprintf(error, size, "a new file is needed, not standard output");
		return -1;
	}
	if (as != CARRIED_FOLDER && (!path || strcmp(path, "-") == 0))
		return open_standard(carried, error, size);
	if (strlen(path) >= sizeof carried->path) {
		errno = ENAMETOOLONG;
		return complain(path, error, size);
	}
	memcpy(carried->path, path, strlen(path) + 1);
	if (as == CARRIED_FOLDER)
		return open_folder(carried, error, size);
	if (as == CARRIED_CREATE)
		return open_new(carried, error, size);
	return as == CARRIED_WRITE ? open_output(carried, error, size)
				   : open_input(carried, error, size);
}

int
carried_lend(struct carried *carried, int socket, char *error, size_t size)
{
	struct ucred server;
	socklen_t len = sizeof server;

	if (carried->as != CARRIED_FOLDER || geteuid() != 0)
		return 0;
	if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &server, &len) < 0)
		return complain(carried->path, error, size);
	if (server.uid == 0)
		return 0;
	carried->lent = true;
	return fchown(carried->fd, server.uid, (gid_t)-1) < 0 ? complain(carried->path, error, size) : 0;
}

/* Who wrote the copy has no more say in it. */
static int
take_back(struct carried *carried)
{
	DIR *folder = fdopendir(dup(carried->fd));
	int result = folder ? fchown(carried->fd, 0, 0) : -1;

	for (struct dirent *entry; folder && (entry = readdir(folder));)
		if (entry->d_name[0] != '.' &&
		    fchownat(carried->fd, entry->d_name, 0, 0, AT_SYMLINK_NOFOLLOW) < 0)
			result = -1;
	if (folder)
		closedir(folder);
	return result;
}

static int
publish(struct carried *carried)
{
	if (carried->temporary[0])
		return fsync(carried->fd) || rename(carried->temporary, carried->path) ? -1 : 0;
	if (carried->spool_to >= 0)
		return lseek(carried->fd, 0, SEEK_SET) < 0 || copy(carried->fd, carried->spool_to)
			       ? -1
			       : 0;
	return 0;
}

int
carried_close(struct carried *carried, bool done, char *error, size_t size)
{
	int result = 0;

	if (carried->fd < 0)
		return 0;
	if (carried->lent && take_back(carried))
		result = complain(carried->path, error, size);
	if (carried->as == CARRIED_WRITE && done && publish(carried))
		result = complain(carried->path, error, size);
	if (carried->temporary[0] && (!done || result))
		unlink(carried->temporary);
	if (carried->as == CARRIED_FOLDER && !done)
		rmdir(carried->path);
	unfinished = NULL;
	if (carried->spool_to >= 0)
		close(carried->spool_to);
	close(carried->fd);
	carried->fd = -1;
	return result;
}
