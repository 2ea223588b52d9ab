/*
 * The watchdog is fed only while every worker's heartbeat grows; the service manager is a socket
 * of ours.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "control/notify.h"
#include "tests/unit/fake_dataplane.h"

static int manager;
static struct sockaddr_un address = { .sun_family = AF_UNIX };

static void
set_up(void)
{
	char pid[32];

	snprintf(address.sun_path, sizeof address.sun_path, "/tmp/notify-test-%d", getpid());
	manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	cr_assert_eq(bind(manager, (struct sockaddr *)&address, sizeof address), 0);
	setenv("NOTIFY_SOCKET", address.sun_path, 1);
	setenv("WATCHDOG_USEC", "2000000", 1);
	snprintf(pid, sizeof pid, "%d", getpid());
	setenv("WATCHDOG_PID", pid, 1);
}

static void
tear_down(void)
{
	close(manager);
	unlink(address.sun_path);
}

TestSuite(notify, .init = set_up, .fini = tear_down);

/* What the manager was told last, or "". */
static const char *
told(void)
{
	static char text[256];
	ssize_t len = recv(manager, text, sizeof text - 1, 0);

	text[len > 0 ? len : 0] = '\0';
	return text;
}

Test(notify, watchdog_follows_the_heartbeats)
{
	struct watchdog watchdog;
	struct dataplane dp;

	fake_init(&dp);
	watchdog_init(&watchdog, 0);
	dp.heartbeat = 1;
	watchdog_check(&watchdog, &dp, 999999);
	cr_expect_str_eq(told(), "", "not due yet");
	watchdog_check(&watchdog, &dp, 1000000);
	cr_expect_str_eq(told(), "WATCHDOG=1");
	watchdog_check(&watchdog, &dp, 2000000);
	cr_expect_str_eq(told(), "", "no heartbeat since");
	cr_expect_eq(watchdog.stuck, 2);
	dp.heartbeat = 2;
	watchdog_check(&watchdog, &dp, 3000000);
	cr_expect_str_eq(told(), "WATCHDOG=1");
}

Test(notify, states)
{
	notify_ready();
	cr_expect_str_eq(told(), "READY=1");
	notify_reloading();
	cr_expect(strstr(told(), "RELOADING=1\nMONOTONIC_USEC="));
	notify_stopping();
	cr_expect_str_eq(told(), "STOPPING=1");
}

Test(notify, nobody_watches)
{
	struct watchdog watchdog;
	struct dataplane dp;

	unsetenv("WATCHDOG_USEC");
	fake_init(&dp);
	watchdog_init(&watchdog, 0);
	watchdog_check(&watchdog, &dp, 1000000000);
	cr_expect_str_eq(told(), "");
}
