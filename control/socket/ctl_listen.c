#include "control/socket/ctl_listen.h"

#include <errno.h>
#include <grp.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "control/socket/ctl_proto.h"

static bool
fill_address(struct sockaddr_un *address, const char *path)
{
	*address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof address->sun_path)
		return false;
	memcpy(address->sun_path, path, strlen(path));
	return true;
}

/* Removes what a dead server left; an error sentence when somebody lives there or it is no socket. */
static int
clear_path(const char *path, const struct sockaddr_un *address, char error[CTL_ERROR_MAX])
{
	struct stat st;
	int fd, result;

	if (lstat(path, &st))
		return 0;
	if (!S_ISSOCK(st.st_mode)) {
		snprintf(error, CTL_ERROR_MAX, "%s exists and is no socket; move it away", path);
		return -1;
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0) {
		snprintf(error, CTL_ERROR_MAX, "cannot make a socket: %s", strerror(errno));
		return -1;
	}
	result = connect(fd, (const struct sockaddr *)address, sizeof *address) ? errno : 0;
	close(fd);
	/* What a dead server leaves refuses; anything else (EAGAIN: a full backlog) may be alive. */
	if (result == ECONNREFUSED || result == ENOENT) {
		unlink(path);
		return 0;
	}
	if (result == 0 || result == EAGAIN)
		snprintf(
			error, CTL_ERROR_MAX,
			"%s: another cradled answers there; stop it, or set another control.socket",
			path);
	else
		snprintf(
			error, CTL_ERROR_MAX,
			"%s: something listens there that is no cradled (%s); move it away, or set "
			"another control.socket",
			path, strerror(result));
	return -1;
}

static int
own_path(const char *path, const char *group, char error[CTL_ERROR_MAX])
{
	const struct group *entry = group ? getgrnam(group) : NULL;

	if (group && !entry) {
		snprintf(error, CTL_ERROR_MAX,
			 "there is no group %s; make it, or change control.group", group);
		return -1;
	}
	if ((entry && chown(path, (uid_t)-1, entry->gr_gid)) || chmod(path, 0660)) {
		snprintf(error, CTL_ERROR_MAX, "%s: cannot set owner and mode: %s", path,
			 strerror(errno));
		return -1;
	}
	return 0;
}

/* The folder of the socket, one level: /run/cradle does not outlive a boot. */
static void
make_folder(const char *path)
{
	const char *slash = strrchr(path, '/');
	char folder[sizeof(((struct sockaddr_un *)NULL)->sun_path)];

	if (!slash || slash == path || (size_t)(slash - path) >= sizeof folder)
		return;
	memcpy(folder, path, (size_t)(slash - path));
	folder[slash - path] = '\0';
	mkdir(folder, 0755);
}

int
ctl_listen(const char *path, const char *group, char error[CTL_ERROR_MAX])
{
	struct sockaddr_un address;
	mode_t mask;
	int fd, bound;

	if (!fill_address(&address, path)) {
		snprintf(error, CTL_ERROR_MAX, "%s: longer than a socket's path may be (%zu bytes)",
			 path, sizeof address.sun_path - 1);
		return -1;
	}
	make_folder(path);
	if (clear_path(path, &address, error))
		return -1;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	/* Nobody but us may connect between bind() and chmod(). */
	mask = umask(0177);
	bound = fd < 0 ? -1 : bind(fd, (struct sockaddr *)&address, sizeof address);
	umask(mask);
	if (bound || listen(fd, CTL_CLIENTS_MAX))
		snprintf(error, CTL_ERROR_MAX, "%s: cannot listen: %s", path, strerror(errno));
	else if (own_path(path, group, error) == 0)
		return fd;
	if (!bound)
		unlink(path);
	if (fd >= 0)
		close(fd);
	return -1;
}
