/* The channel of an upgrade: messages come whole, with their descriptors, and the last words of a process that ended. */
#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "control/handover/channel.h"

enum { SOON_MS = 10000 };

static int ends[2];

static void
set_up(void)
{
	cr_assert_eq(channel_pair(ends), 0);
}

TestSuite(channel, .init = set_up);

Test(channel, nothing_said_is_no_message_and_an_end_is_an_error)
{
	struct channel_message message;

	cr_expect_eq(channel_receive(ends[0], 0, &message), 0);
	close(ends[1]);
	cr_expect_eq(channel_receive(ends[0], SOON_MS, &message), -EPIPE);
	cr_expect_eq(channel_send(ends[0], "begin", NULL, NULL, 0), -EPIPE);
	close(ends[0]);
}

Test(channel, a_message_comes_with_its_words_and_descriptors)
{
	struct channel_message message;
	int file = open("/dev/null", O_RDONLY);

	cr_assert_eq(channel_send(ends[0], "state", json_pack("{s:s}", "socket", "/x"), &file, 1), 0);
	cr_assert_eq(channel_receive(ends[1], SOON_MS, &message), 1);
	cr_expect_str_eq(message.say, "state");
	cr_expect_str_eq(channel_text(&message, "socket"), "/x");
	cr_expect_str_eq(channel_text(&message, "nothing"), "");
	cr_assert_eq(message.n_fds, 1);
	cr_expect(fcntl(message.fds[0], F_GETFD) & FD_CLOEXEC);
	channel_message_fini(&message);
	close(file);
	close(ends[0]);
	close(ends[1]);
}

/* A configuration that is wrong is refused before what we say is read: the reason must come through. */
Test(channel, who_ends_without_having_read_is_still_heard)
{
	struct channel_message message;

	cr_assert_eq(channel_send(ends[0], "begin", NULL, NULL, 0), 0);
	cr_assert_eq(channel_send(ends[1], "refused", json_pack("{s:s}", "reason", "line 7"), NULL, 0),
		     0);
	close(ends[1]);
	cr_assert_eq(channel_receive(ends[0], SOON_MS, &message), 1);
	cr_expect_str_eq(message.say, "refused");
	cr_expect_str_eq(channel_text(&message, "reason"), "line 7");
	channel_message_fini(&message);
	cr_expect_eq(channel_receive(ends[0], SOON_MS, &message), -EPIPE);
	close(ends[0]);
}

/* A state without the memory of some worker would be taken for one of a process that has fewer. */
Test(channel, a_message_whose_descriptors_cannot_all_be_opened_is_none)
{
	struct channel_message message;
	struct rlimit limit;
	int file = open("/dev/null", O_RDONLY), three[] = { file, file, file }, next;

	cr_assert_eq(channel_send(ends[0], "state", NULL, three, 3), 0);
	cr_assert_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	next = dup(file);
	close(next);
	limit.rlim_cur = (rlim_t)next + 1; /* one of three */
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	cr_expect_eq(channel_receive(ends[1], SOON_MS, &message), -EMFILE);
	cr_expect_eq(message.n_fds, 0);
	cr_expect_eq(dup(file), next, "what came is closed");
}
