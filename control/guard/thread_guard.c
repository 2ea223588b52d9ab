#include "control/guard/thread_guard.h"

#include <cap-ng.h>
#include <dirent.h>
#include <errno.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "tasks/hash.h"

enum { WAIT_S = 10 };

/* At file scope: one process, and handlers of signals have no context. Written before there is a second thread. */
static struct {
	bool started;
	enum seccomp_mode mode;
	struct sock_fprog programs[THREAD_KINDS];
	struct guard_capabilities keep;
	sem_t dropped;
	_Atomic int failures;
} guard;

/* A thread that narrowed itself has no call left to drop anything by. */
static _Thread_local bool entered;
static _Thread_local char own_name[16]; /* of one that entered: it cannot ask any more */

/* ---- capabilities of one thread ---- */

/* Async-signal-safe. */
static int
read_capabilities(struct __user_cap_data_struct data[2])
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };

	return syscall(SYS_capget, &head, data) < 0 ? -errno : 0;
}

/* Only ever less than there is. Async-signal-safe. */
static int
keep_capabilities(uint64_t keep)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];
	int result = read_capabilities(data);

	if (result < 0)
		return result;
	for (unsigned i = 0; i < 2; i++) {
		uint32_t left = data[i].permitted & (uint32_t)(keep >> (32 * i));

		data[i] = (struct __user_cap_data_struct){ .effective = left, .permitted = left };
	}
	return syscall(SYS_capset, &head, data) < 0 ? -errno : 0;
}

/* A program that this thread starts has them as well, whoever we are (capabilities(7): ambient). */
static int
hand_on_capabilities(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];
	int result = read_capabilities(data);

	for (unsigned i = 0; i < 2 && !result; i++)
		data[i].inheritable = data[i].permitted;
	if (!result && syscall(SYS_capset, &head, data) < 0)
		result = -errno;
	for (unsigned i = 0; i <= CAP_LAST_CAP && !result; i++)
		if ((data[i / 32].permitted & (1u << (i % 32))) &&
		    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, i, 0, 0) < 0)
			result = -errno;
	return result;
}

void
thread_guard_capabilities(char *text, unsigned size)
{
	struct __user_cap_data_struct data[2] = { 0 };
	size_t used = 0;

	snprintf(text, size, "none");
	if (read_capabilities(data) < 0)
		return;
	for (unsigned i = 0; i <= CAP_LAST_CAP && used < size; i++) {
		const char *name = capng_capability_to_name(i);

		if (name && (data[i / 32].permitted & (1u << (i % 32))))
			used += (size_t)snprintf(text + used, size - used, "%s%s", used ? ", " : "",
						 name);
	}
}

/* ---- calls ---- */

static int
load(enum thread_kind kind)
{
	if (guard.mode == SECCOMP_OFF)
		return 0;
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &guard.programs[kind]) < 0 ? -errno
											   : 0;
}

/*
 * A program that this process starts has its list already, and lists do not replace each other: one more of the same with
 * each upgrade would make every call dearer, until the kernel takes no more (32,768 instructions, seccomp(2)). So the list's
 * name is told to who is started. Whoever else sets the variable has started this process, and could do without a list.
 */
#define LIST_VARIABLE "CRADLE_CALLS"

static void
name_list(const struct sock_fprog *program, char name[17])
{
	uint64_t hash = hash64_bytes(HASH64_EMPTY, program->filter,
				     program->len * sizeof program->filter[0]);

	snprintf(name, 17, "%016llx", (unsigned long long)hash);
}

static bool
inherits_list(void)
{
	return getenv(LIST_VARIABLE) && prctl(PR_GET_SECCOMP) == SECCOMP_MODE_FILTER;
}

/* Our list of the process, compiled, is the one that was inherited. */
static bool
inherits_same(void)
{
	char name[17];

	name_list(&guard.programs[THREAD_PROCESS], name);
	return inherits_list() && strcmp(getenv(LIST_VARIABLE), name) == 0;
}

static int
load_first(void)
{
	char name[17];

	if (inherits_same())
		return 0;
	name_list(&guard.programs[THREAD_PROCESS], name);
	return setenv(LIST_VARIABLE, name, 1) < 0 ? -errno : load(THREAD_PROCESS);
}

static size_t
put(char *line, size_t at, size_t size, const char *words)
{
	while (*words && at + 1 < size)
		line[at++] = *words++;
	return at;
}

/*
 * A call that is not on the list. It runs in the thread that made it, with whatever locks that holds, so nothing is
 * called that could wait. The action is the default's by then (SA_RESETHAND): the second signal ends the process.
 */
static void
on_forbidden_call(int number, siginfo_t *info, void *context)
{
	char line[160];
	size_t at = 0;

	(void)number;
	(void)context;
	if (!entered)
		(void)syscall(SYS_prctl, PR_GET_NAME, own_name);
	at = put(line, at, sizeof line, "<2>seccomp: the thread \"");
	at = put(line, at, sizeof line, own_name);
	at = put(line, at, sizeof line, "\" made the system call ");
	at = put(line, at, sizeof line, call_name(info->si_syscall));
	at = put(line, at, sizeof line,
		 ", which its list does not have: the process ends (setting `seccomp`)");
	line[at++] = '\n';
	(void)!write(STDERR_FILENO, line, at);
	(void)syscall(SYS_tgkill, getpid(), (pid_t)syscall(SYS_gettid), SIGSYS);
}

static int
catch_forbidden_calls(void)
{
	struct sigaction action = { .sa_sigaction = on_forbidden_call,
				    .sa_flags = SA_SIGINFO | (int)SA_RESETHAND | SA_NODEFER };

	sigfillset(&action.sa_mask);
	sigdelset(&action.sa_mask, SIGSYS);
	return sigaction(SIGSYS, &action, NULL) < 0 ? -errno : 0;
}

static int
refuse(int result, const char *what, char error[GUARD_ERROR_MAX])
{
	snprintf(error, GUARD_ERROR_MAX, "%s: %s; `seccomp = \"off\"` starts without", what,
		 strerror(-result));
	return result;
}

/* The kernel adds lists up: one that allows more than what was inherited would only be a wrong word in `status`. */
static int
refuse_relaxed(enum seccomp_mode mode, char error[GUARD_ERROR_MAX])
{
	snprintf(error, GUARD_ERROR_MAX,
		 "seccomp = \"%s\": an upgrade cannot allow what the process before it could not "
		 "do: stop and start",
		 mode == SECCOMP_OFF ? "off" : "log");
	return -EPERM;
}

int
thread_guard_start(enum seccomp_mode mode, const struct call_needs *needs,
		   const struct guard_capabilities *keep, char error[GUARD_ERROR_MAX])
{
	int result = 0;

	guard.started = true;
	guard.mode = mode;
	guard.keep = *keep;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return refuse(-errno, "new privileges cannot be given up", error);
	if (mode == SECCOMP_OFF)
		return inherits_list() ? refuse_relaxed(mode, error) : 0;
	call_names_init();
	for (int kind = 0; kind < THREAD_KINDS && !result; kind++)
		result = call_list_compile((enum thread_kind)kind, mode, needs,
					   &guard.programs[kind]);
	if (!result)
		result = catch_forbidden_calls();
	if (!result && mode != SECCOMP_ENFORCE && inherits_list() && !inherits_same())
		return refuse_relaxed(mode, error);
	if (!result)
		result = load_first();
	return result ? refuse(result, "the list of system calls is not taken by the kernel", error)
		      : 0;
}

enum seccomp_mode
thread_guard_mode(void)
{
	return guard.mode;
}

void
thread_guard_enter(enum thread_kind kind)
{
	uint64_t keep = kind == THREAD_STORE ? guard.keep.store : guard.keep.others;

	if (!guard.started || entered)
		return;
	(void)prctl(PR_GET_NAME, own_name);
	/* Neither fails on a thread that could do more before; one that does is no reason to serve on with it. */
	if (keep_capabilities(keep) < 0 || load(kind) < 0)
		abort();
	entered = true;
}

/* ---- threads of libraries ---- */

/* Real-time signals of the lowest numbers are libc's, and those next to them often a library's. */
static int
drop_signal(void)
{
	return SIGRTMAX - 2;
}

static void
on_drop(int number)
{
	int before = errno;

	(void)number;
	if (!entered && (keep_capabilities(guard.keep.others) < 0 || load(THREAD_LIBRARY) < 0))
		atomic_fetch_add(&guard.failures, 1);
	sem_post(&guard.dropped);
	errno = before;
}

/* What there is to be known of another thread, of a library or of ours. */
struct other_thread {
	char name[16];
	bool deaf; /* has our signal blocked, as threads of careful libraries have all, and ours */
	uint64_t permitted;
};

static void
look_at(pid_t tid, struct other_thread *other)
{
	char path[64], line[256];
	unsigned long long blocked = 0, permitted = 0;
	FILE *status;

	snprintf(path, sizeof path, "/proc/self/task/%d/status", (int)tid);
	status = fopen(path, "re");
	while (status && fgets(line, sizeof line, status)) {
		if (strncmp(line, "Name:\t", 6) == 0)
			snprintf(other->name, sizeof other->name, "%.*s",
				 (int)strcspn(line + 6, "\n"), line + 6);
		(void)sscanf(line, "SigBlk:\t%llx", &blocked);
		(void)sscanf(line, "CapPrm:\t%llx", &permitted);
	}
	if (status)
		fclose(status);
	other->deaf = blocked >> (drop_signal() - 1) & 1;
	other->permitted = permitted;
}

/* How many threads were asked; -errno: who they are is not to be learnt. */
static int
ask_others(char warning[GUARD_ERROR_MAX])
{
	const uint64_t kept = guard.keep.store | guard.keep.others;
	DIR *tasks = opendir("/proc/self/task");
	struct other_thread other;
	struct dirent *entry;
	int asked = 0;

	if (!tasks)
		return -errno;
	while ((entry = readdir(tasks))) {
		long tid = strtol(entry->d_name, NULL, 10);

		if (tid <= 0 || tid == gettid())
			continue;
		other = (struct other_thread){ .name = "?" };
		look_at((pid_t)tid, &other);
		if (other.deaf && other.permitted & ~kept)
			snprintf(warning, GUARD_ERROR_MAX,
				 "the thread \"%s\" of a library keeps the capabilities of the "
				 "start: it hears no signal",
				 other.name);
		else if (!other.deaf && tgkill(getpid(), (pid_t)tid, drop_signal()) == 0)
			asked++;
	}
	closedir(tasks);
	return asked;
}

static int
await_others(int asked)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += WAIT_S;
	while (asked > 0) {
		if (sem_timedwait(&guard.dropped, &until) == 0)
			asked--;
		else if (errno != EINTR)
			return -errno;
	}
	return atomic_load(&guard.failures) ? -EPERM : 0;
}

static int
drop_others(char warning[GUARD_ERROR_MAX])
{
	struct sigaction action = { .sa_handler = on_drop, .sa_flags = SA_RESTART };
	int result;

	if (sem_init(&guard.dropped, 0, 0) < 0 || sigaction(drop_signal(), &action, NULL) < 0)
		return -errno;
	result = ask_others(warning);
	return result < 0 ? result : await_others(result);
}

int
thread_guard_settle(char warning[GUARD_ERROR_MAX], char error[GUARD_ERROR_MAX])
{
	int result;

	warning[0] = '\0';
	result = drop_others(warning);
	if (!result)
		result = keep_capabilities(guard.keep.control);
	if (!result)
		result = hand_on_capabilities();
	if (result)
		snprintf(error, GUARD_ERROR_MAX, "a thread does not give up its capabilities: %s",
			 strerror(-result));
	return result;
}
