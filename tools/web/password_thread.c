#include "tools/web/password_thread.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "tools/web/users.h"

struct job {
	char hash[USER_HASH_MAX], password[USER_PASSWORD_MAX];
	size_t len;
	bool right;
	password_done *done;
	void *ctx;
};

/* A ring: [first, checked) is to be told, [checked, last) to be checked; `lock` holds the three numbers and `ending`. */
struct password_thread {
	struct loop *loop;
	struct loop_source *source;
	pthread_t thread;
	bool started, ending;
	pthread_mutex_t lock;
	pthread_cond_t more;
	int event;
	struct job jobs[PASSWORD_QUEUE];
	unsigned first, checked, last;
};

static struct job *
job_at(struct password_thread *thread, unsigned number)
{
	return &thread->jobs[number % PASSWORD_QUEUE];
}

/* The next that is to be checked; NULL: the end. */
static struct job *
wait_for_job(struct password_thread *thread)
{
	struct job *job;

	pthread_mutex_lock(&thread->lock);
	while (!thread->ending && thread->checked == thread->last)
		pthread_cond_wait(&thread->more, &thread->lock);
	job = thread->ending ? NULL : job_at(thread, thread->checked);
	pthread_mutex_unlock(&thread->lock);
	return job;
}

static void *
check_jobs(void *ctx)
{
	static const uint64_t one = 1;
	struct password_thread *thread = ctx;
	struct job *job;

	while ((job = wait_for_job(thread))) {
		job->right = password_is_right(job->hash, job->password, job->len);
		pthread_mutex_lock(&thread->lock);
		thread->checked++;
		pthread_mutex_unlock(&thread->lock);
		(void)!write(thread->event, &one, sizeof one);
	}
	return NULL;
}

static void
tell_one(struct password_thread *thread, bool right)
{
	struct job *job = job_at(thread, thread->first);
	password_done *done = job->done;
	void *ctx = job->ctx;

	explicit_bzero(job, sizeof *job);
	thread->first++;
	done(ctx, right);
}

static void
on_event(void *ctx, uint32_t events)
{
	struct password_thread *thread = ctx;
	uint64_t count;
	unsigned checked;

	(void)!read(thread->event, &count, sizeof count);
	pthread_mutex_lock(&thread->lock);
	checked = thread->checked;
	pthread_mutex_unlock(&thread->lock);
	while (thread->first != checked)
		tell_one(thread, job_at(thread, thread->first)->right);
}

/* Signals are the loop's. */
static bool
start(struct password_thread *thread)
{
	sigset_t all, before;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	thread->started = pthread_create(&thread->thread, NULL, check_jobs, thread) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return thread->started;
}

struct password_thread *
password_thread_new(struct loop *loop)
{
	struct password_thread *thread = calloc(1, sizeof *thread);

	if (!thread)
		return NULL;
	thread->loop = loop;
	pthread_mutex_init(&thread->lock, NULL);
	pthread_cond_init(&thread->more, NULL);
	thread->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (thread->event >= 0)
		thread->source = loop_add(loop, thread->event, EPOLLIN, on_event, thread);
	if (thread->source && start(thread))
		return thread;
	password_thread_free(thread);
	return NULL;
}

void
password_thread_free(struct password_thread *thread)
{
	if (!thread)
		return;
	pthread_mutex_lock(&thread->lock);
	thread->ending = true;
	pthread_cond_signal(&thread->more);
	pthread_mutex_unlock(&thread->lock);
	if (thread->started)
		pthread_join(thread->thread, NULL);
	if (thread->source)
		loop_remove(thread->loop, thread->source);
	while (thread->first != thread->last)
		tell_one(thread, false);
	if (thread->event >= 0)
		close(thread->event);
	pthread_cond_destroy(&thread->more);
	pthread_mutex_destroy(&thread->lock);
	free(thread);
}

int
password_thread_check(struct password_thread *thread, const char *hash, const char *password,
		      size_t len, password_done *done, void *ctx)
{
	struct job *job = job_at(thread, thread->last);

	assert(len <= USER_PASSWORD_MAX);
	if (thread->last - thread->first == PASSWORD_QUEUE)
		return -EAGAIN;
	memset(job, 0, sizeof *job);
	if (hash)
		memcpy(job->hash, hash, strnlen(hash, USER_HASH_MAX - 1));
	memcpy(job->password, password, len);
	job->len = len;
	job->done = done;
	job->ctx = ctx;
	pthread_mutex_lock(&thread->lock);
	thread->last++;
	pthread_cond_signal(&thread->more);
	pthread_mutex_unlock(&thread->lock);
	return 0;
}
