#include "control/guard/privileges.h"

#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

/* A build that looks for leaks does so from a process beside it. */
#ifdef __SANITIZE_ADDRESS__
#define TRACES_ITSELF true
#else
#define TRACES_ITSELF false
#endif

#define BIT(capability) (UINT64_C(1) << (capability))

/* What opening ports may need. No file is opened by these: as the user, a start finds what a reload will find. */
static const unsigned at_start[] = {
	CAP_NET_ADMIN, CAP_NET_RAW,   CAP_IPC_LOCK, CAP_SYS_ADMIN,
	CAP_BPF,       CAP_SYS_RAWIO, CAP_SYS_NICE, CAP_SYS_RESOURCE,
};

/* Whether memory was locked; at file scope, as it is the process's. */
static bool memory_is_locked;

static int __attribute__((format(printf, 2, 3)))
refuse(char error[GUARD_ERROR_MAX], const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(error, GUARD_ERROR_MAX, format, args);
	va_end(args);
	return -1;
}

static bool
has_capability(unsigned capability)
{
	return capng_get_caps_process() == 0 && capng_have_capability(CAPNG_EFFECTIVE, capability);
}

/* ---- the user ---- */

/* -1 and a sentence, or 0; *uid and *gid are ours where nothing is named. */
static int
find_user(const struct privileges *wanted, uid_t *uid, gid_t *gid, char error[GUARD_ERROR_MAX])
{
	const struct passwd *user = wanted->user ? getpwnam(wanted->user) : NULL;
	const struct group *group = wanted->group ? getgrnam(wanted->group) : NULL;

	if (wanted->user && !user)
		return refuse(error,
			      "user = \"%s\": there is no such user: `systemd-sysusers` makes it",
			      wanted->user);
	if (wanted->group && !group)
		return refuse(
			error,
			"group = \"%s\": there is no such group: `groupadd --system %s` makes it",
			wanted->group, wanted->group);
	*uid = user ? user->pw_uid : geteuid();
	*gid = group ? group->gr_gid : user ? user->pw_gid : getegid();
	return 0;
}

static int
become(uid_t uid, gid_t gid, char error[GUARD_ERROR_MAX])
{
	int result;

	capng_clear(CAPNG_SELECT_CAPS);
	if (capng_get_caps_process() < 0)
		return refuse(error, "our own capabilities cannot be read");
	for (int i = 0; i <= CAP_LAST_CAP; i++) {
		bool keep = false;

		for (unsigned j = 0; j < sizeof at_start / sizeof at_start[0]; j++)
			keep |= at_start[j] == (unsigned)i;
		if (!keep)
			capng_update(CAPNG_DROP, CAPNG_EFFECTIVE | CAPNG_PERMITTED, (unsigned)i);
	}
	result = capng_change_id((int)uid, (int)gid, CAPNG_INIT_SUPP_GRP);
	if (result < 0)
		return refuse(
			error,
			"cannot become user %u, group %u (%d): start as root, or as that user",
			(unsigned)uid, (unsigned)gid, result);
	return 0;
}

static int
take_user(const struct privileges *wanted, char error[GUARD_ERROR_MAX])
{
	uid_t uid = 0;
	gid_t gid = 0;

	if (find_user(wanted, &uid, &gid, error) < 0)
		return -1;
	if (uid == geteuid() && gid == getegid())
		return 0;
	if (geteuid() != 0)
		return refuse(error,
			      "user = \"%s\": only root may become another user: start as root, or "
			      "as that user",
			      wanted->user ? wanted->user : wanted->group);
	/* An upgrade's process has what the one before it kept, and no call to try it by. */
	if (!has_capability(CAP_SETUID) || !has_capability(CAP_SETGID))
		return refuse(error,
			      "user = \"%s\": only a start may change who the appliance is, no "
			      "upgrade: stop and start",
			      wanted->user ? wanted->user : wanted->group);
	return become(uid, gid, error);
}

/* ---- memory ---- */

/* Not even a core that somebody asks for holds anonymous memory (core(5)); and nobody who is not root asks. */
static void
close_memory(void)
{
	const struct rlimit none = { 0, 0 };
	int fd = open("/proc/self/coredump_filter", O_WRONLY | O_CLOEXEC);

	if (fd >= 0) {
		(void)!write(fd, "0", 1);
		close(fd);
	}
	setrlimit(RLIMIT_CORE, &none);
}

/* A change of user sets it back, so this comes after. */
static void
close_to_tracers(void)
{
	if (!TRACES_ITSELF)
		prctl(PR_SET_DUMPABLE, 0);
}

/* Raises the soft limit as far as it goes; whether there is none. */
static bool
memory_is_unlimited(struct rlimit *limit)
{
	if (getrlimit(RLIMIT_MEMLOCK, limit) < 0)
		return false;
	limit->rlim_cur = limit->rlim_max;
	(void)setrlimit(RLIMIT_MEMLOCK, limit);
	return limit->rlim_cur == RLIM_INFINITY;
}

/*
 * All of it, as keys are in many places: the directory, the inventory, batches, stacks. Pages are
 * locked as they are used, for DPDK reserves far more addresses than it uses. A limit would make
 * later allocations fail: then it is not begun at all.
 */
static int
lock_memory(enum memory_lock lock, char warning[GUARD_ERROR_MAX], char error[GUARD_ERROR_MAX])
{
	struct rlimit limit = { 0, 0 };
	bool unlimited = memory_is_unlimited(&limit) || has_capability(CAP_IPC_LOCK);

	if (lock == LOCK_MEMORY_NO)
		return 0;
	if (unlimited && mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) == 0) {
		memory_is_locked = true;
		return 0;
	}
	snprintf(warning, GUARD_ERROR_MAX,
		 "memory is not locked, so that keys may get to swap: at most %llu kB may be; "
		 "LimitMEMLOCK=infinity in "
		 "the unit (or `ulimit -l unlimited`) lifts that, lock_memory = \"no\" ends this "
		 "warning",
		 (unsigned long long)limit.rlim_cur / 1024);
	if (lock == LOCK_MEMORY_AUTO)
		return 0;
	return refuse(error,
		      "lock_memory = \"yes\": at most %llu kB may be locked: LimitMEMLOCK=infinity "
		      "in the unit "
		      "(or `ulimit -l unlimited`) lifts that",
		      (unsigned long long)limit.rlim_cur / 1024);
}

/* ---- what stays ---- */

static void
choose_kept(const struct privileges *wanted, struct guard_capabilities *keep)
{
	struct rlimit limit = { 0, 0 };

	*keep = (struct guard_capabilities){ 0 };
	/* Where a limit stands, only this lets a thread have more memory. */
	if (memory_is_locked && getrlimit(RLIMIT_MEMLOCK, &limit) == 0 &&
	    limit.rlim_cur != RLIM_INFINITY)
		keep->others |= BIT(CAP_IPC_LOCK);
	keep->store = keep->others;
	/* Root's files may lie in folders of others; a user's own need nothing. */
	if (geteuid() == 0)
		keep->store |= BIT(CAP_DAC_OVERRIDE) | BIT(CAP_CHOWN) | BIT(CAP_FOWNER);
	keep->control = keep->store;
	if (wanted->interfaces)
		keep->control |= BIT(CAP_NET_RAW) | BIT(CAP_NET_ADMIN);
	/* libxdp asks the kernel for programs by their number, and compares pointers in one: no less than this allows both. */
	if (wanted->needs.bpf)
		keep->control |= BIT(CAP_SYS_ADMIN);
}

int
privileges_begin(const struct privileges *wanted, char warning[GUARD_ERROR_MAX],
		 char error[GUARD_ERROR_MAX])
{
	struct guard_capabilities keep;

	warning[0] = '\0';
	close_memory();
	if (take_user(wanted, error) < 0)
		return -1;
	close_to_tracers();
	if (lock_memory(wanted->lock, warning, error) < 0)
		return -1;
	choose_kept(wanted, &keep);
	return thread_guard_start(TRACES_ITSELF ? SECCOMP_OFF : wanted->seccomp, &wanted->needs,
				  &keep, error) < 0
		       ? -1
		       : 0;
}

int
privileges_settle(char warning[GUARD_ERROR_MAX], char error[GUARD_ERROR_MAX])
{
	return thread_guard_settle(warning, error) < 0 ? -1 : 0;
}

/* ---- what holds ---- */

const char *
seccomp_mode_name(enum seccomp_mode mode)
{
	static const char *const names[] = { "off", "log", "enforce" };

	return names[mode];
}

void
privileges_info(struct privileges_info *info)
{
	const struct passwd *user = getpwuid(geteuid());

	*info = (struct privileges_info){ .seccomp = thread_guard_mode(),
					  .locked = memory_is_locked,
					  .dumpable = prctl(PR_GET_DUMPABLE) != 0 };
	if (user)
		snprintf(info->user, sizeof info->user, "%s", user->pw_name);
	else
		snprintf(info->user, sizeof info->user, "%u", (unsigned)geteuid());
	thread_guard_capabilities(info->capabilities, sizeof info->capabilities);
}

void
privileges_text(const struct privileges_info *info, char *text, unsigned size)
{
	snprintf(text, size, "user %s, capabilities %s, seccomp %s, memory %s%s", info->user,
		 info->capabilities, seccomp_mode_name(info->seccomp),
		 info->locked ? "locked" : "not locked", info->dumpable ? ", can be traced" : "");
}
