#include "control/guard/call_lists.h"

#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CALLS_MAX = 512, NAME_MAX_LEN = 24 };

/* ---- the lists ---- */

/* What libc does in any thread, whatever it is for. */
static const char *const every_thread[] = {
	"arch_prctl",
	"brk",
	"clock_getres",
	"clock_gettime",
	"clock_nanosleep",
	"exit",
	"exit_group",
	"futex",
	"get_robust_list",
	"getcpu",
	"getpid",
	"getrandom",
	"gettid",
	"gettimeofday",
	"madvise",
	"mmap",
	"mprotect",
	"mremap",
	"munmap",
	"nanosleep",
	"restart_syscall",
	"rseq",
	"rt_sigprocmask",
	"rt_sigreturn",
	"sched_yield",
	"set_robust_list",
	"sigaltstack",
	"tgkill",
	"time",
	"sched_getaffinity",
	NULL,
};

/* Bytes through what is open already: rings of the kernel, peers of memif, eventfds. */
static const char *const open_descriptors[] = {
	"poll",    "ppoll",  "read",  "readv",  "recvfrom", "recvmmsg", "recvmsg", "sendmmsg",
	"sendmsg", "sendto", "write", "writev", "close",    "fstat",    NULL,
};

static const char *const reading_files[] = {
	"access",     "faccessat", "faccessat2", "fcntl",     "fstatfs", "getcwd",  "getdents64",
	"lseek",      "lstat",     "newfstatat", "open",      "openat",  "pread64", "readlink",
	"readlinkat", "stat",      "statfs",     "statx",     "getuid",  "geteuid", "getgid",
	"getegid",    "flock",     "fadvise64",  "prlimit64", "uname",   "sysinfo", "dup",
	"getrlimit",  "preadv",    NULL,
};

static const char *const writing_files[] = {
	"chmod",           "chown",           "fallocate", "fchmod",    "fchmodat",  "fchown",
	"fchownat",        "fdatasync",       "fsync",     "ftruncate", "link",      "linkat",
	"mkdir",           "mkdirat",         "pwrite64",  "rename",    "renameat",  "renameat2",
	"rmdir",           "umask",           "unlink",    "unlinkat",  "utimensat", "pwritev",
	"copy_file_range", "sync_file_range", "msync",     "truncate",  NULL,
};

/* The control thread serves a socket, opens ports and starts threads; DPDK's own answer peers and alarms. */
static const char *const running_it_all[] = {
	/* sockets and events */
	"accept",
	"accept4",
	"bind",
	"connect",
	"epoll_create",
	"epoll_create1",
	"epoll_ctl",
	"epoll_pwait",
	"epoll_wait",
	"eventfd2",
	"getpeername",
	"getsockname",
	"getsockopt",
	"ioctl",
	"listen",
	"pipe",
	"pipe2",
	"pselect6",
	"select",
	"sendfile",
	"setsockopt",
	"shutdown",
	"signalfd4",
	"socketpair",
	"timerfd_create",
	"timerfd_gettime",
	"timerfd_settime",
	"dup2",
	"dup3",
	"inotify_add_watch",
	"inotify_init1",
	"inotify_rm_watch",
	/* threads, and what they give up */
	"capget",
	"capset",
	"getppid",
	"getpgrp",
	"getgroups",
	"getresgid",
	"getresuid",
	"getrusage",
	"kill",
	"membarrier",
	"prctl",
	"rt_sigaction",
	"rt_sigpending",
	"rt_sigtimedwait",
	"sched_get_priority_max",
	"sched_get_priority_min",
	"sched_getattr",
	"sched_getparam",
	"sched_getscheduler",
	"sched_setaffinity",
	"sched_setattr",
	"seccomp",
	"set_tid_address",
	"setrlimit",
	"times",
	"getpriority",
	"rt_sigqueueinfo",
	"rt_tgsigqueueinfo",
	/* memory of ports and pools */
	"get_mempolicy",
	"mbind",
	"memfd_create",
	"mincore",
	"mlock",
	"mlockall",
	"mlock2",
	"mlockall",
	"munlock",
	"set_mempolicy",
	"close_range",
	NULL,
};

/* What libraries try and do without: DPDK asks for ports of the processor, which only old virtio devices need. */
static const char *const tried[] = { "iopl", "ioperm", "move_pages", NULL };

/* A server is looked up, reached, and talked to over TLS: files of trust are read. */
static const char *const being_a_client[] = {
	"bind",     "connect",     "epoll_create1", "epoll_ctl",  "epoll_pwait", "epoll_wait",
	"eventfd2", "getpeername", "getsockname",   "getsockopt", "ioctl",       "pipe",
	"pipe2",    "pselect6",    "rt_sigaction",  "select",     "setsockopt",  "shutdown",
	"socket",   "socketpair",  "prctl",         "getppid",    "sendfile",    NULL,
};

/* An upgrade hands over to a new process, which is no more than this one is. */
static const char *const starting_a_program[] = { "execve", "wait4", "waitid", "setpgid",
						  "setsid", "chdir", "vfork",  NULL };

#define LISTS_MAX 6

static const char *const *const lists[THREAD_KINDS][LISTS_MAX] = {
	[THREAD_PROCESS] = { every_thread, open_descriptors, reading_files, writing_files,
			     running_it_all, starting_a_program },
	[THREAD_LIBRARY] = { every_thread, open_descriptors, reading_files, writing_files,
			     running_it_all },
	[THREAD_NETWORK] = { every_thread, open_descriptors, reading_files, writing_files,
			     being_a_client },
	[THREAD_WORKER] = { every_thread, open_descriptors },
	[THREAD_HELPER] = { every_thread, open_descriptors, reading_files },
	[THREAD_STORE] = { every_thread, open_descriptors, reading_files, writing_files },
};

const char *
thread_kind_name(enum thread_kind kind)
{
	static const char *const names[] = { "process", "library", "network",
					     "worker",  "curves",  "store" };

	_Static_assert(sizeof names / sizeof names[0] == THREAD_KINDS, "one name a kind");
	return names[kind];
}

/* ---- a program of them ---- */

/* A name that this machine's kernel has no call for is left out. */
static int
allow(scmp_filter_ctx *filter, const char *name)
{
	int number = seccomp_syscall_resolve_name(name), result;

	if (number < 0)
		return 0;
	result = seccomp_rule_add(filter, SCMP_ACT_ALLOW, number, 0);
	return result == -EEXIST || result == -EDOM ? 0 : result;
}

static int
refuse_politely(scmp_filter_ctx *filter, const char *const *names)
{
	int result = 0;

	for (; *names && !result; names++)
		if (seccomp_syscall_resolve_name(*names) >= 0)
			result = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM),
						  seccomp_syscall_resolve_name(*names), 0);
	return result;
}

static int
allow_list(scmp_filter_ctx *filter, const char *const *names)
{
	int result = 0;

	for (; *names && !result; names++)
		result = allow(filter, *names);
	return result;
}

/* Threads: clone3's arguments cannot be looked at, so that libc takes clone instead. */
static int
allow_threads(scmp_filter_ctx *filter)
{
	int result = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
				      SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD));

	return result ? result
		      : seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
}

/* A process that waits for its program, as posix_spawn() makes it; never a copy of this one, keys and all. */
static int
allow_spawning(scmp_filter_ctx *filter)
{
	return seccomp_rule_add(
		filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
		SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_VM | CLONE_VFORK, CLONE_VM | CLONE_VFORK));
}

/* The journal, syslog, and what a PKCS#11 module talks to. */
static int
allow_local_sockets(scmp_filter_ctx *filter)
{
	int result = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
				      SCMP_A0(SCMP_CMP_EQ, AF_UNIX));

	return result ? result : allow(filter, "connect");
}

static int
allow_more(scmp_filter_ctx *filter, enum thread_kind kind, const struct call_needs *needs)
{
	bool many = kind == THREAD_PROCESS || kind == THREAD_LIBRARY;
	int result = 0;

	if (many || kind == THREAD_NETWORK)
		result = allow_threads(filter);
	if (!result && many)
		result = refuse_politely(filter, tried);
	if (!result && many)
		result = allow(filter, "socket");
	if (!result && kind == THREAD_PROCESS)
		result = allow_spawning(filter);
	if (!result && kind == THREAD_PROCESS && needs->bpf)
		result = allow(filter, "bpf");
	if (!result && (kind == THREAD_HELPER || kind == THREAD_STORE))
		result = allow_local_sockets(filter);
	return result;
}

static int
read_program(int fd, struct sock_fprog *program)
{
	off_t size = lseek(fd, 0, SEEK_END);
	void *code = size > 0 ? malloc((size_t)size) : NULL;

	if (!code)
		return -ENOMEM;
	if (pread(fd, code, (size_t)size, 0) != size) {
		free(code);
		return -EIO;
	}
	program->filter = code;
	program->len = (unsigned short)((size_t)size / sizeof program->filter[0]);
	return 0;
}

static int
export_program(scmp_filter_ctx *filter, struct sock_fprog *program)
{
	int fd = memfd_create("calls", MFD_CLOEXEC), result;

	if (fd < 0)
		return -errno;
	result = seccomp_export_bpf(filter, fd);
	if (!result)
		result = read_program(fd, program);
	close(fd);
	return result;
}

int
call_list_compile(enum thread_kind kind, enum seccomp_mode mode, const struct call_needs *needs,
		  struct sock_fprog *program)
{
	scmp_filter_ctx *filter =
		seccomp_init(mode == SECCOMP_ENFORCE ? SCMP_ACT_TRAP : SCMP_ACT_LOG);
	int result = 0;

	if (!filter)
		return -ENOMEM;
	/* Found in a few steps: workers call the kernel only when they send and receive, but often. */
	(void)seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	for (unsigned i = 0; i < LISTS_MAX && lists[kind][i] && !result; i++)
		result = allow_list(filter, lists[kind][i]);
	if (!result)
		result = allow_more(filter, kind, needs);
	if (!result)
		result = export_program(filter, program);
	seccomp_release(filter);
	return result;
}

/* ---- names, for who is told of a call ---- */

/* At file scope, as a signal's handler has no context. */
static char names[CALLS_MAX][NAME_MAX_LEN];

void
call_names_init(void)
{
	for (int i = 0; i < CALLS_MAX; i++) {
		char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, i);

		snprintf(names[i], sizeof names[i], "%s", name ? name : "?");
		free(name);
	}
}

const char *
call_name(int number)
{
	return number >= 0 && number < CALLS_MAX && names[number][0] ? names[number] : "?";
}
