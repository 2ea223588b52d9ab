#include "tools/cradlectl_alone.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "control/socket/ctl_proto.h"

/* Becomes `cradled ARGUMENTS`: the one beside this program, else the one in PATH. Returns only on failure. */
static int
become_cradled(const struct options *options, char **arguments)
{
	char self[PATH_MAX], beside[PATH_MAX + 32];
	/* In the build tree, and installed (bin, sbin). */
	static const char *const places[] = { "cradled", "../control/cradled", "../sbin/cradled" };
	ssize_t len = readlink("/proc/self/exe", self, sizeof self - 1);

	arguments[0] = (char *)"cradled";
	if (len > 0) {
		self[len] = '\0';
		const char *folder = dirname(self);

		for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
			snprintf(beside, sizeof beside, "%s/%s", folder, places[i]);
			execv(beside, arguments);
		}
	}
	execvp("cradled", arguments);
	return options_fail(
		options, CTL_REFUSED,
		"this command runs cradled, which is neither beside cradlectl nor in PATH");
}

int
alone_run(const struct options *options)
{
	char *arguments[8] = { NULL };
	int n = 1, from;

	if (options_is(options, "task", "check") && options->argc >= 3 && options->argc <= 5) {
		arguments[n++] = (char *)"--check-task";
		from = 2;
	} else if (options_is(options, "check", "--offline") && options->argc <= 4) {
		arguments[n++] = (char *)"--check";
		from = 2;
	} else if (options_is(options, "store", "restore") && options->argc >= 3 &&
		   options->argc <= 6) {
		arguments[n++] = (char *)"--restore";
		from = 2;
	} else {
		return -1;
	}
	while (from < options->argc)
		arguments[n++] = options->argv[from++];
	if (options->json)
		arguments[n++] = (char *)"--json";
	return become_cradled(options, arguments);
}

int
alone_answer(const struct options *options, int error)
{
	char *arguments[4] = { NULL };

	if (options_is(options, "help", NULL)) {
		arguments[1] = (char *)"--command-table";
		arguments[2] = options->argc > 1 ? options->argv[1] : NULL;
		return become_cradled(options, arguments);
	}
	if (options_is(options, "completion", NULL)) {
		arguments[1] = (char *)"--completion";
		arguments[2] = options->argc > 1 ? options->argv[1] : (char *)"bash";
		return become_cradled(options, arguments);
	}
	if (error == EACCES || error == EPERM)
		return options_fail(
			options, CTL_REFUSED,
			"%s: %s; ask as root, or as a member of the socket's group (setting "
			"control.group)",
			options->socket, strerror(error));
	if (error == EAGAIN)
		return options_fail(
			options, CTL_REFUSED,
			"%s: no connection within %d s: the appliance is busy, or stopped by a "
			"signal; `systemctl status cradle`",
			options->socket, options->timeout_s);
	return options_fail(
		options, CTL_NOT_RUNNING,
		"nobody answers on %s: %s. Is cradled running? `systemctl status cradle`; "
		"another socket: -s SOCKET",
		options->socket, strerror(error));
}
