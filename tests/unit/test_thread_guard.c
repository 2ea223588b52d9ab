/* What threads may do, and what happens to those that do more. */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "control/guard/call_lists.h"
#include "control/guard/thread_guard.h"

static const struct call_needs nothing;
static const struct guard_capabilities none;

/* How a child of ours ended that is of a kind and then does something. */
static int
run(enum thread_kind kind, enum seccomp_mode mode, int (*act)(void))
{
	char error[GUARD_ERROR_MAX];
	int status = 0;
	pid_t child = fork();

	if (child == 0) {
		if (thread_guard_start(mode, &nothing, &none, error) < 0)
			_exit(99);
		if (kind != THREAD_PROCESS)
			thread_guard_enter(kind);
		_exit(act());
	}
	waitpid(child, &status, 0);
	return status;
}

static bool
is_killed(int status)
{
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS;
}

static int
open_file(void)
{
	return open("/dev/null", O_RDONLY) < 0;
}

static int
remove_file(void)
{
	return unlink("/nothing-of-this-name") == 0;
}

static int
open_network_socket(void)
{
	return socket(AF_INET, SOCK_DGRAM, 0) < 0;
}

static int
open_local_socket(void)
{
	return socket(AF_UNIX, SOCK_DGRAM, 0) < 0;
}

static int
start_program(void)
{
	char name[] = "true";
	char *const argv[] = { name, NULL };
	int status = -1;
	pid_t child;

	if (posix_spawn(&child, "/bin/true", NULL, NULL, argv, NULL) != 0)
		return 7;
	return waitpid(child, &status, 0) == child ? status : 8;
}

static int
make_process(void)
{
	return syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0) < 0;
}

static void *
nothing_to_do(void *arg)
{
	return arg;
}

static int
make_thread(void)
{
	pthread_t thread;

	return pthread_create(&thread, NULL, nothing_to_do, NULL) || pthread_join(thread, NULL);
}

static int
ask_for_time(void)
{
	struct timespec now;

	return clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now) < 0 || getpid() <= 0;
}

Test(thread_guard, a_thread_has_its_list_and_no_more)
{
	static const struct {
		const char *name;
		int (*act)(void);
		bool may[THREAD_KINDS]; /* process, library, network, worker, helper, store */
	} cases[] = {
		{ "time", ask_for_time, { true, true, true, true, true, true } },
		{ "open", open_file, { true, true, true, false, true, true } },
		{ "unlink", remove_file, { true, true, true, false, false, true } },
		{ "socket of the network",
		  open_network_socket,
		  { true, true, true, false, false, false } },
		{ "socket of the machine",
		  open_local_socket,
		  { true, true, true, false, true, true } },
		{ "thread", make_thread, { true, true, true, false, false, false } },
		{ "copy of the process",
		  make_process,
		  { false, false, false, false, false, false } },
		{ "program", start_program, { true, false, false, false, false, false } },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		for (int kind = 0; kind < THREAD_KINDS; kind++) {
			int status = run((enum thread_kind)kind, SECCOMP_ENFORCE, cases[i].act);

			if (cases[i].may[kind])
				cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0,
					  "%s, %s: %x", cases[i].name,
					  thread_kind_name((enum thread_kind)kind), status);
			else
				cr_expect(is_killed(status), "%s, %s: %x", cases[i].name,
					  thread_kind_name((enum thread_kind)kind), status);
		}
}

Test(thread_guard, what_is_off_or_logged_ends_nothing)
{
	int status = run(THREAD_WORKER, SECCOMP_OFF, open_file);

	cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%x", status);
	status = run(THREAD_WORKER, SECCOMP_LOG, open_file);
	cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%x", status);
}

/* Standard error of a child that does what it may not. */
Test(thread_guard, who_did_what_is_told)
{
	char said[256] = "";
	int ends[2];

	cr_assert_eq(pipe(ends), 0);
	if (fork() == 0) {
		char error[GUARD_ERROR_MAX];

		dup2(ends[1], STDERR_FILENO);
		(void)thread_guard_start(SECCOMP_ENFORCE, &nothing, &none, error);
		pthread_setname_np(pthread_self(), "polling");
		thread_guard_enter(THREAD_WORKER);
		(void)open("/dev/null", O_RDONLY);
		_exit(0);
	}
	close(ends[1]);
	cr_assert_gt(read(ends[0], said, sizeof said - 1), 0);
	cr_expect(strstr(said, "\"polling\" made the system call openat"), "%s", said);
	cr_expect(strstr(said, "setting `seccomp`"), "%s", said);
}

Test(thread_guard, a_program_that_begins_nothing_is_not_touched)
{
	thread_guard_enter(THREAD_WORKER);
	cr_expect_eq(open_file(), 0);
	cr_expect_eq(thread_guard_mode(), SECCOMP_OFF);
}

static uint64_t
permitted_of(pid_t tid)
{
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, tid };
	struct __user_cap_data_struct data[2] = { 0 };

	cr_assert_eq(syscall(SYS_capget, &head, data), 0);
	return data[0].permitted | (uint64_t)data[1].permitted << 32;
}

static _Atomic pid_t other;
static _Atomic bool over;

static void *
stay(void *arg)
{
	other = gettid();
	while (!over)
		usleep(1000);
	return arg;
}

static _Atomic bool deaf;

/* As a careful library's. */
static void *
stay_deaf(void *arg)
{
	deaf = true;
	while (!over)
		usleep(1000);
	return arg;
}

/* A library's thread says nothing of itself, and waits in the kernel. */
Test(thread_guard, threads_of_others_lose_their_capabilities_too)
{
	const struct guard_capabilities keep = { .control = 1u << CAP_NET_RAW };
	char warning[GUARD_ERROR_MAX], error[GUARD_ERROR_MAX];
	uint64_t before = permitted_of(0);
	pthread_t thread, deaf_thread;
	sigset_t all, former;

	cr_assert_eq(thread_guard_start(SECCOMP_OFF, &nothing, &keep, error), 0, "%s", error);
	cr_assert_eq(pthread_create(&thread, NULL, stay, NULL), 0);
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &former);
	cr_assert_eq(pthread_create(&deaf_thread, NULL, stay_deaf, NULL), 0);
	pthread_sigmask(SIG_SETMASK, &former, NULL);
	while (!other || !deaf)
		sched_yield();
	cr_assert_eq(thread_guard_settle(warning, error), 0, "%s", error);
	cr_expect_eq(strstr(warning, "of a library keeps") != NULL, before != 0, "%s", warning);
	cr_expect_eq(permitted_of(other), 0);
	cr_expect_eq(permitted_of(0), before & (1u << CAP_NET_RAW));
	over = true;
	pthread_join(thread, NULL);
	pthread_join(deaf_thread, NULL);
}

/* How many the kernel has for this process. */
static int
count_lists(void)
{
	char line[256];
	int lists = -1;
	FILE *status = fopen("/proc/self/status", "r");

	while (status && fgets(line, sizeof line, status))
		(void)sscanf(line, "Seccomp_filters:\t%d", &lists);
	if (status)
		fclose(status);
	return lists;
}

/* As a program that is started by one that began: what the kernel has for it stays. */
static int
begin_again(enum seccomp_mode mode, bool bpf)
{
	const struct call_needs needs = { .bpf = bpf };
	char error[GUARD_ERROR_MAX];
	int before = count_lists();

	return thread_guard_start(mode, &needs, &none, error) < 0 ? 99 : count_lists() - before;
}

static int
begin_the_same(void)
{
	return begin_again(SECCOMP_ENFORCE, false);
}

static int
begin_another(void)
{
	return begin_again(SECCOMP_ENFORCE, true);
}

static int
begin_unnamed(void)
{
	return unsetenv("CRADLE_CALLS") ? 98 : begin_again(SECCOMP_ENFORCE, false);
}

static int
begin_without(void)
{
	return begin_again(SECCOMP_OFF, false);
}

static int
begin_logging(void)
{
	return begin_again(SECCOMP_LOG, false);
}

Test(thread_guard, a_list_that_was_inherited_is_not_relaxed)
{
	cr_expect_eq(WEXITSTATUS(run(THREAD_PROCESS, SECCOMP_ENFORCE, begin_without)), 99);
	cr_expect_eq(WEXITSTATUS(run(THREAD_PROCESS, SECCOMP_ENFORCE, begin_logging)), 99);
	cr_expect_eq(WEXITSTATUS(run(THREAD_PROCESS, SECCOMP_LOG, begin_the_same)), 1);
}

Test(thread_guard, a_list_that_was_inherited_is_not_taken_twice)
{
	cr_expect_eq(WEXITSTATUS(run(THREAD_PROCESS, SECCOMP_ENFORCE, begin_the_same)), 0);
	cr_expect_eq(WEXITSTATUS(run(THREAD_PROCESS, SECCOMP_ENFORCE, begin_another)), 1);
	cr_expect_eq(WEXITSTATUS(run(THREAD_PROCESS, SECCOMP_ENFORCE, begin_unnamed)), 1);
}
