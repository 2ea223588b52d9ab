#include "control/lookout.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "control/guard/thread_guard.h"
#include "control/log.h"

enum {
	LATE_BEATS =
		8, /* a look that is so many late: a machine that is only busy gives a CPU sooner */
	NOTE_MAX = 128,
	NOTES_MAX = 640, /* a line of the log holds these */
};

struct lookout {
	struct lookout_times times;
	pid_t watched;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool ending; /* under the lock */

	/* By the watched thread. `serial` is stored last, with release: who sees it sees what it is of. */
	_Atomic(const char *) doing;
	_Atomic uint64_t serial;

	/* By the thread that looks. */
	struct lookout_view view;
	const char *stuck_in;
};

static uint64_t
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* ---- the watched thread ---- */

void
lookout_enter(struct lookout *lookout, const char *doing)
{
	if (!lookout)
		return;
	atomic_store_explicit(&lookout->doing, doing, memory_order_relaxed);
	lookout_goes_on(lookout);
}

void
lookout_goes_on(struct lookout *lookout)
{
	uint64_t serial;

	if (!lookout)
		return;
	serial = atomic_load_explicit(&lookout->serial, memory_order_relaxed);
	atomic_store_explicit(&lookout->serial, serial + 1, memory_order_release);
}

/* ---- the judgement ---- */

enum lookout_verdict
lookout_judge(struct lookout_view *view, const struct lookout_times *times, bool busy,
	      uint64_t serial, uint64_t now_ms, uint64_t *lasted_ms)
{
	uint64_t slept_ms = now_ms - view->last_ms;
	bool told = view->told;

	view->last_ms = now_ms;
	*lasted_ms = now_ms - view->since_ms;
	if (serial != view->serial || !busy) {
		*view = (struct lookout_view){ .serial = serial,
					       .since_ms = now_ms,
					       .last_ms = now_ms };
		if (told)
			return LOOKOUT_GOES_ON;
	}
	if (slept_ms >= (1 + LATE_BEATS) * times->beat_ms) {
		view->since_ms = now_ms;
		*lasted_ms = slept_ms;
		return LOOKOUT_STOOD_STILL;
	}
	if (view->told || !busy || now_ms - view->since_ms < times->patience_ms)
		return LOOKOUT_FINE;
	view->told = true;
	return LOOKOUT_STUCK;
}

/* ---- what the kernel says of a thread ---- */

static void
read_note(pid_t thread, const char *name, char note[NOTE_MAX])
{
	char path[64];
	ssize_t len = -1;
	int fd;

	snprintf(path, sizeof path, "/proc/self/task/%d/%s", (int)thread, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		len = read(fd, note, NOTE_MAX - 1);
		close(fd);
	}
	note[len > 0 ? len : 0] = '\0';
	note[strcspn(note, "\n")] = '\0';
}

/* "cradled 4711 D in jbd2_log_wait_commit"; how much it computed goes by the fields 14 and 15 (proc(5)). */
static int
describe(pid_t thread, char *out, size_t size)
{
	char stat[4 * NOTE_MAX], name[NOTE_MAX], place[NOTE_MAX], path[64];
	const char *behind;
	unsigned long user = 0, kernel = 0;
	char state = '?';
	ssize_t len = -1;
	int fd;

	snprintf(path, sizeof path, "/proc/self/task/%d/stat", (int)thread);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		len = read(fd, stat, sizeof stat - 1);
		close(fd);
	}
	stat[len > 0 ? len : 0] = '\0';
	behind = strrchr(stat, ')'); /* a name may hold anything */
	if (!behind || sscanf(behind + 1, " %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu",
			      &state, &user, &kernel) != 3)
		state = '?';
	read_note(thread, "comm", name);
	read_note(thread, "wchan", place);
	return snprintf(out, size, "%s %d %c%s%s, %.1f s of CPU", name, (int)thread, state,
			*place && strcmp(place, "0") != 0 ? " in " : "",
			strcmp(place, "0") != 0 ? place : "",
			(double)(user + kernel) / (double)sysconf(_SC_CLK_TCK));
}

static void
describe_others(const struct lookout *lookout, char notes[NOTES_MAX])
{
	pid_t self = (pid_t)syscall(SYS_gettid);
	DIR *folder = opendir("/proc/self/task");
	const struct dirent *entry;
	size_t len = 0;

	notes[0] = '\0';
	while (folder && len < NOTES_MAX && (entry = readdir(folder))) {
		pid_t thread = (pid_t)strtol(entry->d_name, NULL, 10);

		if (thread <= 0 || thread == self || thread == lookout->watched)
			continue;
		len += (size_t)snprintf(notes + len, NOTES_MAX - len, "; ");
		if (len < NOTES_MAX)
			len += (size_t)describe(thread, notes + len, NOTES_MAX - len);
	}
	if (folder)
		closedir(folder);
}

/* ---- the thread that looks ---- */

static void
tell_stuck(struct lookout *lookout, const char *doing, uint64_t lasted_ms)
{
	char where[2 * NOTE_MAX], others[NOTES_MAX];

	describe(lookout->watched, where, sizeof where);
	describe_others(lookout, others);
	lookout->stuck_in = doing;
	log_apart(SEVERITY_ERROR, LOG_EVENT_control_stuck,
		  "the control thread does not go on: for %.1f s with \"%s\" (%s); others: %s",
		  (double)lasted_ms / 1000, doing, where, *others ? others + 2 : "none");
}

static void
look(struct lookout *lookout)
{
	uint64_t serial = atomic_load_explicit(&lookout->serial, memory_order_acquire);
	const char *doing = atomic_load_explicit(&lookout->doing, memory_order_relaxed);
	uint64_t lasted_ms;

	switch (lookout_judge(&lookout->view, &lookout->times, doing != NULL, serial, now_ms(),
			      &lasted_ms)) {
	case LOOKOUT_FINE:
		break;
	case LOOKOUT_STUCK:
		tell_stuck(lookout, doing, lasted_ms);
		break;
	case LOOKOUT_GOES_ON:
		log_apart(SEVERITY_WARNING, LOG_EVENT_control_goes_on,
			  "the control thread goes on; \"%s\" kept it for %.1f s",
			  lookout->stuck_in, (double)lasted_ms / 1000);
		break;
	case LOOKOUT_STOOD_STILL:
		log_apart(SEVERITY_WARNING, LOG_EVENT_stood_still,
			  "this machine stood still, or gave us no CPU: a thread that sleeps for "
			  "%.1f s woke after %.1f s",
			  (double)lookout->times.beat_ms / 1000, (double)lasted_ms / 1000);
		break;
	}
}

static void *
run(void *arg)
{
	struct lookout *lookout = arg;

	thread_guard_enter(THREAD_HELPER);
	pthread_mutex_lock(&lookout->lock);
	while (!lookout->ending) {
		uint64_t until = now_ms() + lookout->times.beat_ms;
		struct timespec ts = { (time_t)(until / 1000), (long)(until % 1000) * 1000000 };

		pthread_cond_timedwait(&lookout->wake, &lookout->lock, &ts);
		if (lookout->ending)
			break;
		pthread_mutex_unlock(&lookout->lock);
		look(lookout);
		pthread_mutex_lock(&lookout->lock);
	}
	pthread_mutex_unlock(&lookout->lock);
	return NULL;
}

/* ---- life ---- */

/* Signals are the control thread's. */
static int
start(struct lookout *lookout)
{
	sigset_t all, before;
	int result;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	result = pthread_create(&lookout->thread, NULL, run, lookout);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (result == 0)
		pthread_setname_np(lookout->thread, "lookout");
	return result;
}

struct lookout *
lookout_new(struct lookout_times times)
{
	struct lookout *lookout = calloc(1, sizeof *lookout);
	pthread_condattr_t attr;

	if (!lookout)
		return NULL;
	lookout->times = times;
	lookout->watched = (pid_t)syscall(SYS_gettid);
	lookout->view.last_ms = now_ms(); /* the first look may be late, too */
	pthread_mutex_init(&lookout->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&lookout->wake, &attr);
	pthread_condattr_destroy(&attr);
	if (start(lookout) == 0)
		return lookout;
	pthread_cond_destroy(&lookout->wake);
	pthread_mutex_destroy(&lookout->lock);
	free(lookout);
	return NULL;
}

void
lookout_free(struct lookout *lookout)
{
	if (!lookout)
		return;
	pthread_mutex_lock(&lookout->lock);
	lookout->ending = true;
	pthread_cond_signal(&lookout->wake);
	pthread_mutex_unlock(&lookout->lock);
	pthread_join(lookout->thread, NULL);
	pthread_cond_destroy(&lookout->wake);
	pthread_mutex_destroy(&lookout->lock);
	free(lookout);
}
