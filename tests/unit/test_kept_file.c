/* Memory that a service manager holds beside us; the manager is a socket of ours, the other process a child. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "control/handover/kept_file.h"

enum { PAGE = 4096, SIZE = 64 * PAGE };

static struct kept_file file;

static void
setup(void)
{
	unsetenv("NOTIFY_SOCKET");
	cr_assert_eq(kept_file_make(&file, SIZE), 0);
}

static void
teardown(void)
{
	kept_file_end(&file);
}

TestSuite(kept_file, .init = setup, .fini = teardown);

/* What the same call returns in another process; -1: that ended otherwise. */
static int
take_elsewhere(int fd)
{
	int status = 0;
	pid_t child = fork();

	if (child == 0) {
		struct kept_file other;
		int result = kept_file_take(&other, fd);

		_exit(result == 0 ? 0 : -result);
	}
	cr_assert_gt(child, 0);
	cr_assert_eq(waitpid(child, &status, 0), child);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* ---- what is not taken ---- */

Test(kept_file, what_a_living_process_has_is_not_taken)
{
	cr_expect_eq(take_elsewhere(file.fd), EBUSY);
	cr_expect_eq(take_elsewhere(file.fd), EBUSY, "the child let go of nothing of ours");
}

Test(kept_file, memory_that_can_be_cut_is_not_taken)
{
	struct kept_file other;
	int fd = memfd_create("open", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	cr_assert_eq(ftruncate(fd, SIZE), 0);
	cr_expect_eq(kept_file_take(&other, fd), -EINVAL);
	cr_expect_eq(other.fd, -1);
	cr_expect_eq(fcntl(fd, F_GETFD), -1, "closed");
	kept_file_end(&other);
}

Test(kept_file, what_is_no_memory_is_not_taken)
{
	struct kept_file other;
	int ends[2];

	cr_assert_eq(pipe(ends), 0);
	cr_expect_eq(kept_file_take(&other, ends[0]), -EINVAL);
	close(ends[1]);
}

Test(kept_file, empty_memory_is_not_taken)
{
	struct kept_file other;
	int fd = memfd_create("empty", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	cr_assert_eq(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL), 0);
	cr_expect_eq(kept_file_take(&other, fd), -EINVAL);
}

Test(kept_file, no_memory_is_an_error)
{
	struct kept_file other;

	cr_expect_lt(kept_file_make(&other, (size_t)1 << 62), 0);
	cr_expect_eq(other.fd, -1);
	kept_file_end(&other);
}

/* ---- what is ---- */

Test(kept_file, what_a_process_left_is_taken_as_it_is)
{
	struct kept_file next;
	int held = fcntl(file.fd, F_DUPFD_CLOEXEC, 0); /* by the manager */

	memcpy((char *)file.memory + 5 * PAGE, "a key", 5);
	munmap(file.memory, file.size); /* it dies */
	close(file.fd);
	file.fd = -1;
	cr_assert_eq(kept_file_take(&next, held), 0);
	cr_expect_eq(next.size, (size_t)SIZE);
	cr_expect_arr_eq((char *)next.memory + 5 * PAGE, "a key", 5);
	cr_expect_lt(ftruncate(next.fd, PAGE), 0, "nobody cuts it");
	kept_file_end(&next);
}

static blkcnt_t
blocks(void)
{
	struct stat found;

	cr_assert_eq(fstat(file.fd, &found), 0);
	return found.st_blocks;
}

Test(kept_file, wiping_makes_no_pages)
{
	char *memory = file.memory;
	blkcnt_t before;

	memory[0] = memory[9 * PAGE + 1] = memory[SIZE - 1] = 'k';
	before = blocks();
	kept_file_wipe(&file);
	cr_expect_eq(blocks(), before, "what nobody wrote to is not there");
	cr_expect_eq(memory[9 * PAGE + 1] | memory[0] | memory[SIZE - 1], 0);
}

/* ---- the manager ---- */

static int
listen_as_manager(struct sockaddr_un *address)
{
	int manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	*address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	snprintf(address->sun_path, sizeof address->sun_path, "/tmp/kept-test-%d", getpid());
	cr_assert_eq(bind(manager, (struct sockaddr *)address, sizeof *address), 0);
	setenv("NOTIFY_SOCKET", address->sun_path, 1);
	return manager;
}

/* Its next message; *fd what came with it, or -1. */
static const char *
told(int manager, int *fd)
{
	static char text[256];
	union {
		struct cmsghdr head;
		char bytes[256];
	} notes;
	struct iovec piece = { text, sizeof text - 1 };
	struct msghdr message = {
		.msg_iov = &piece, .msg_iovlen = 1, .msg_control = &notes, .msg_controllen = sizeof notes
	};
	ssize_t len = recvmsg(manager, &message, MSG_CMSG_CLOEXEC);

	text[len > 0 ? len : 0] = '\0';
	*fd = -1;
	for (struct cmsghdr *note = CMSG_FIRSTHDR(&message); note; note = CMSG_NXTHDR(&message, note))
		if (note->cmsg_type == SCM_RIGHTS)
			memcpy(fd, CMSG_DATA(note), sizeof *fd);
	return text;
}

Test(kept_file, without_a_manager_nobody_keeps_it)
{
	cr_expect_not(kept_file_store(&file));
	cr_expect_not(file.stored);
	kept_file_unstore(&file);
}

Test(kept_file, the_manager_gets_it_and_gives_it_up)
{
	struct sockaddr_un address;
	int manager = listen_as_manager(&address), fd;
	char byte = 'k';

	cr_assert(kept_file_store(&file));
	cr_expect_str_eq(told(manager, &fd), "FDSTOREREMOVE=1\nFDNAME=cradle-associations");
	cr_expect_str_eq(told(manager, &fd), "FDSTORE=1\nFDNAME=cradle-associations");
	cr_assert_geq(fd, 0);
	memset(file.memory, byte, PAGE);
	cr_expect_eq(pread(fd, &byte, 1, PAGE - 1), 1);
	cr_expect_eq(byte, 'k', "the same memory");
	kept_file_end(&file);
	cr_expect_eq(pread(fd, &byte, 1, PAGE - 1), 1);
	cr_expect_eq(byte, 0, "wiped");
	close(fd);
	cr_expect_str_eq(told(manager, &fd), "FDSTOREREMOVE=1\nFDNAME=cradle-associations");
	close(manager);
	unlink(address.sun_path);
}

Test(kept_file, nothing_is_inherited_where_nothing_is_said)
{
	unsetenv("LISTEN_FDS");
	cr_expect_eq(kept_file_inherited(), -1);
}
