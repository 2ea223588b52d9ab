/*
 * ctl_listen.h - the listening end of the control socket: path, owner, mode, and who was there before.
 *
 * Any thread; umask() is the process's: call it before other threads make files.
 */
#pragma once

#include "control/socket/ctl_socket.h"

/*
 * A non-blocking listening socket at `path` with mode 0660, owned by `group` when it is not NULL. A stale socket file is
 * replaced; one that somebody answers on, a path that is no socket, or an unknown group is an error: -1 and a sentence.
 */
int ctl_listen(const char *path, const char *group, char error[CTL_ERROR_MAX]);
