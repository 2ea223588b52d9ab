#include "control/notify.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <systemd/sd-daemon.h>

#include "control/log.h"

void
notify_ready(void)
{
	sd_notify(0, "READY=1");
}

void
notify_reloading(void)
{
	struct timespec now;

	/* Type=notify-reload wants the time with it; others ignore it. */
	clock_gettime(CLOCK_MONOTONIC, &now);
	sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%llu",
		   (unsigned long long)now.tv_sec * 1000000 +
			   (unsigned long long)now.tv_nsec / 1000);
}

void
notify_stopping(void)
{
	sd_notify(0, "STOPPING=1");
}

void
notify_successor(long pid)
{
	sd_notifyf(0, "MAINPID=%ld", pid);
}

void
notify_take_over(void)
{
	char pid[24];

	if (!getenv("WATCHDOG_PID"))
		return;
	snprintf(pid, sizeof pid, "%ld", (long)getpid());
	(void)setenv("WATCHDOG_PID", pid, 1);
	/* The other's last word may be half of the time ago, and ours would come after the other half. */
	sd_notify(0, "WATCHDOG=1");
}

void
watchdog_init(struct watchdog *watchdog, uint64_t now_us)
{
	*watchdog = (struct watchdog){ 0 };
	if (sd_watchdog_enabled(0, &watchdog->interval_us) <= 0)
		watchdog->interval_us = 0;
	/* Half of what is allowed, as sd_watchdog_enabled(3) recommends. */
	watchdog->interval_us /= 2;
	watchdog->due_us = now_us + watchdog->interval_us;
}

static unsigned
count_stuck(struct watchdog *watchdog, const struct dataplane *dp)
{
	struct dataplane_worker_info info;
	unsigned stuck = 0;

	for (unsigned i = 0; i < DATAPLANE_WORKERS_MAX; i++) {
		if (dataplane_worker_info(dp, i, &info) < 0)
			break;
		if (info.heartbeat == watchdog->heartbeat[i]) {
			log_event(SEVERITY_ERROR, LOG_EVENT_worker_stuck, NULL,
				  "worker %u on CPU %d shows no sign of life; slowest step: %s", i,
				  info.cpu, info.longest_step ? info.longest_step : "unknown");
			stuck++;
		}
		watchdog->heartbeat[i] = info.heartbeat;
	}
	return stuck;
}

void
watchdog_check(struct watchdog *watchdog, const struct dataplane *dp, uint64_t now_us)
{
	if (!watchdog->interval_us || now_us < watchdog->due_us)
		return;
	watchdog->due_us = now_us + watchdog->interval_us;
	watchdog->stuck = count_stuck(watchdog, dp);
	if (!watchdog->stuck)
		sd_notify(0, "WATCHDOG=1");
}
