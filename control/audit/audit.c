#include "control/audit/audit.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "control/audit/audit_chain.h"
#include "control/file_replace.h"
#include "control/guard/thread_guard.h"

enum {
	TAIL_MAX = 1 << 20, /* of the file: its last lines are there */
	ANCHOR_LINES = 100,
	ANCHOR_MS = 600000,
};

struct audit {
	char *path;
	int fd;
	uint64_t seq, anchored_seq, anchored_ms;
	char hash[AUDIT_HASH_MAX];
	char error[AUDIT_ERROR_MAX];
	bool cut; /* the file ends in the middle of a line */

	/* The thread that syncs. */
	pthread_t thread;
	bool started;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool wanted, ending; /* under the lock */
};

/* ---- where the chain stands ---- */

/* The last lines of the file, malloc'ed. */
static char *
read_tail(int fd, size_t *len)
{
	off_t size = lseek(fd, 0, SEEK_END);
	off_t from = size > TAIL_MAX ? size - TAIL_MAX : 0;
	char *tail = malloc((size_t)(size - from) + 1);
	ssize_t n = tail ? pread(fd, tail, (size_t)(size - from), from) : -1;

	*len = n > 0 ? (size_t)n : 0;
	if (n >= 0)
		return tail;
	free(tail);
	return NULL;
}

/* The last line that is one, from the end; number and hash are taken as they stand: `audit verify` checks. */
static void
take_up(struct audit *audit, const char *tail, size_t len)
{
	while (len && !audit->seq) {
		const char *before = memrchr(tail, '\n', len - 1);
		size_t start = before ? (size_t)(before - tail) + 1 : 0;
		json_t *json = json_loadb(tail + start, len - start, JSON_DISABLE_EOF_CHECK, NULL);
		json_int_t seq = json_integer_value(json_object_get(json, "seq"));
		const char *hash = json_string_value(json_object_get(json, "hash"));

		if (seq > 0 && hash && strlen(hash) == AUDIT_HASH_MAX - 1) {
			audit->seq = (uint64_t)seq;
			memcpy(audit->hash, hash, AUDIT_HASH_MAX);
		}
		json_decref(json);
		len = start;
	}
}

static int
open_file(struct audit *audit, char error[AUDIT_ERROR_MAX])
{
	struct stat found;
	char *tail;
	size_t len;
	int result = 0;

	audit->fd = open(audit->path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW,
			 0600);
	if (audit->fd < 0 || fstat(audit->fd, &found) < 0 || fchmod(audit->fd, 0600) < 0)
		result = -errno;
	else if (!S_ISREG(found.st_mode))
		result = -EINVAL;
	if (result < 0) {
		snprintf(error, AUDIT_ERROR_MAX, "%.300s: the audit file cannot be opened: %s%s",
			 audit->path, strerror(-result), file_remedy(-result));
		return result;
	}
	tail = read_tail(audit->fd, &len);
	if (!tail) {
		snprintf(error, AUDIT_ERROR_MAX, "%.300s: cannot be read: %s", audit->path,
			 strerror(errno));
		return -EIO;
	}
	memcpy(audit->hash, AUDIT_NO_HASH, AUDIT_HASH_MAX);
	take_up(audit, tail, len);
	audit->cut = len && tail[len - 1] != '\n';
	free(tail);
	return 0;
}

/* ---- the thread that syncs ---- */

static void *
sync_file(void *arg)
{
	struct audit *audit = arg;

	thread_guard_enter(THREAD_STORE);
	pthread_mutex_lock(&audit->lock);
	while (!audit->ending || audit->wanted) {
		if (!audit->wanted) {
			pthread_cond_wait(&audit->wake, &audit->lock);
			continue;
		}
		audit->wanted = false;
		pthread_mutex_unlock(&audit->lock);
		fdatasync(audit->fd); /* what it cannot do, the next append meets */
		pthread_mutex_lock(&audit->lock);
	}
	pthread_mutex_unlock(&audit->lock);
	return NULL;
}

static void
tell_thread(struct audit *audit, bool ending)
{
	pthread_mutex_lock(&audit->lock);
	audit->wanted = true;
	audit->ending = ending;
	pthread_mutex_unlock(&audit->lock);
	pthread_cond_signal(&audit->wake);
}

/* ---- life ---- */

struct audit *
audit_open(const char *path, char error[AUDIT_ERROR_MAX])
{
	struct audit *audit = calloc(1, sizeof *audit);

	if (!audit) {
		snprintf(error, AUDIT_ERROR_MAX, "out of memory");
		return NULL;
	}
	audit->fd = -1;
	error[0] = 0;
	pthread_mutex_init(&audit->lock, NULL);
	pthread_cond_init(&audit->wake, NULL);
	audit->path = strdup(path);
	if (audit->path && open_file(audit, error) == 0 &&
	    pthread_create(&audit->thread, NULL, sync_file, audit) == 0) {
		audit->started = true;
		return audit;
	}
	if (!error[0])
		snprintf(error, AUDIT_ERROR_MAX, "%.300s: no memory or thread for the audit file", path);
	audit_close(audit);
	return NULL;
}

void
audit_close(struct audit *audit)
{
	if (!audit)
		return;
	if (audit->started) {
		tell_thread(audit, true);
		pthread_join(audit->thread, NULL);
	}
	if (audit->fd >= 0)
		close(audit->fd);
	pthread_cond_destroy(&audit->wake);
	pthread_mutex_destroy(&audit->lock);
	free(audit->path);
	free(audit);
}

/* ---- lines ---- */

static json_t *
by_json(const struct audit_event *event)
{
	json_t *by = json_object();

	if (event->uid >= 0)
		json_object_set_new(by, "uid", json_integer(event->uid));
	if (event->pid >= 0)
		json_object_set_new(by, "pid", json_integer(event->pid));
	if (event->actor)
		json_object_set_new(by, "actor", json_string(event->actor));
	return by;
}

/* All of a line but its hash. */
static json_t *
line_json(const struct audit *audit, const struct audit_event *event)
{
	char when[32], time[48];
	struct tm tm;
	time_t seconds = (time_t)(event->time_ms / 1000);

	gmtime_r(&seconds, &tm);
	strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(time, sizeof time, "%s.%03uZ", when, (unsigned)(event->time_ms % 1000));
	return json_pack("{s:I, s:s, s:o, s:O, s:s, s:s*, s:O*, s:O*, s:s}", "seq",
			 (json_int_t)audit->seq + 1, "time", time, "by", by_json(event), "command",
			 event->command, "outcome", event->done ? "done" : "refused", "error",
			 event->error, "before", event->before, "after", event->after, "prev",
			 audit->hash);
}

/* The line with its hash and newline, malloc'ed; NULL: out of memory, or a text is no UTF-8. */
static char *
make_line(const struct audit *audit, const struct audit_event *event, char hash[AUDIT_HASH_MAX])
{
	json_t *json = line_json(audit, event);
	char *text = json ? json_dumps(json, JSON_COMPACT) : NULL, *line = NULL;
	size_t len = text ? strlen(text) - 1 : 0; /* without its brace */

	if (text && audit_hash(text, len, hash) &&
	    asprintf(&line, "%s%.*s,\"hash\":\"%s\"}\n", audit->cut ? "\n" : "", (int)len, text, hash) < 0)
		line = NULL;
	free(text);
	json_decref(json);
	return line;
}

static int
fail(struct audit *audit, int error)
{
	snprintf(audit->error, sizeof audit->error, "%.300s: cannot be written: %s%s", audit->path,
		 strerror(error), file_remedy(error));
	return -error;
}

/* Whether its path still names the file that is open. */
static bool
is_there(const struct audit *audit)
{
	struct stat named, opened;

	return stat(audit->path, &named) == 0 && fstat(audit->fd, &opened) == 0 &&
	       named.st_ino == opened.st_ino && named.st_dev == opened.st_dev;
}

int
audit_append(struct audit *audit, const struct audit_event *event)
{
	char hash[AUDIT_HASH_MAX];
	char *line = make_line(audit, event, hash);
	size_t len = line ? strlen(line) : 0;
	ssize_t n;

	if (!line)
		return fail(audit, ENOMEM);
	n = is_there(audit) ? write(audit->fd, line, len) : -1;
	free(line);
	if (n < 0)
		return fail(audit, is_there(audit) ? errno : ENOENT);
	if ((size_t)n < len) {
		audit->cut = true;
		return fail(audit, ENOSPC);
	}
	audit->cut = false;
	audit->error[0] = 0;
	audit->seq++;
	memcpy(audit->hash, hash, AUDIT_HASH_MAX);
	tell_thread(audit, false);
	return 0;
}

bool
audit_works(struct audit *audit)
{
	off_t end;

	if (!is_there(audit))
		return fail(audit, ENOENT) == 0;
	if (!audit->error[0])
		return true;
	end = lseek(audit->fd, 0, SEEK_END);
	if (end < 0 || posix_fallocate(audit->fd, end, 1) != 0 || ftruncate(audit->fd, end) < 0)
		return false;
	audit->error[0] = 0;
	return true;
}

void
audit_info(const struct audit *audit, struct audit_info *info)
{
	*info = (struct audit_info){ .path = audit->path, .seq = audit->seq };
	memcpy(info->hash, audit->hash, sizeof info->hash);
	memcpy(info->error, audit->error, sizeof info->error);
}

bool
audit_wants_anchor(struct audit *audit, uint64_t now_ms)
{
	bool due = audit->seq >= audit->anchored_seq + ANCHOR_LINES ||
		   now_ms >= audit->anchored_ms + ANCHOR_MS;

	assert(audit->seq >= audit->anchored_seq);
	if (audit->seq == audit->anchored_seq || !due)
		return false;
	audit->anchored_seq = audit->seq;
	audit->anchored_ms = now_ms;
	return true;
}
