/*
 * The threads of elliptic curves: rings by a lock here, several threads, trust that changes under
 * way, and an end with jobs left. For the thread sanitizer as much as for what it asserts.
 */
#include <criterion/criterion.h>

#include <pthread.h>
#include <sched.h>

#include "dataplane/core/dtls/dtls_certificate.h"
#include "dataplane/core/dtls/dtls_message.h"
#include "dataplane/ec/ec_threads.h"
#include "tests/support/ec_certs.h"

enum { JOBS = 64 };

static struct {
	pthread_mutex_t lock;
	pthread_cond_t todo_changed, done_changed;
	struct ec_job *todo[JOBS];
	unsigned n_todo, n_done, woken;
	struct ec_job jobs[JOBS];
} ring = { .lock = PTHREAD_MUTEX_INITIALIZER,
	   .todo_changed = PTHREAD_COND_INITIALIZER,
	   .done_changed = PTHREAD_COND_INITIALIZER };

static unsigned
take(void *ctx, struct ec_job **jobs, unsigned n)
{
	unsigned taken = 0;

	pthread_mutex_lock(&ring.lock);
	while (taken < n && ring.n_todo)
		jobs[taken++] = ring.todo[--ring.n_todo];
	pthread_mutex_unlock(&ring.lock);
	return taken;
}

static void
give(void *ctx, struct ec_job *job)
{
	pthread_mutex_lock(&ring.lock);
	ring.n_done++;
	pthread_cond_signal(&ring.done_changed);
	pthread_mutex_unlock(&ring.lock);
}

static void
wait_for_job(void *ctx, int timeout_ms)
{
	pthread_mutex_lock(&ring.lock);
	while (!ring.n_todo && !ring.woken)
		pthread_cond_wait(&ring.todo_changed, &ring.lock);
	if (!ring.n_todo)
		ring.woken--;
	pthread_mutex_unlock(&ring.lock);
}

static void
wake(void *ctx)
{
	pthread_mutex_lock(&ring.lock);
	ring.woken++;
	pthread_cond_broadcast(&ring.todo_changed);
	pthread_mutex_unlock(&ring.lock);
}

static const struct ec_way way = { take, give, wait_for_job, wake, NULL };

static void
offer_all(void)
{
	pthread_mutex_lock(&ring.lock);
	ring.n_done = 0;
	for (unsigned i = 0; i < JOBS; i++) {
		ring.jobs[i] = (struct ec_job){ .kind = EC_BEGIN,
						.type = DTLS_RAW_PUBLIC_KEY,
						.ops = crypto_select() };
		ring.todo[ring.n_todo++] = &ring.jobs[i];
	}
	pthread_cond_broadcast(&ring.todo_changed);
	pthread_mutex_unlock(&ring.lock);
}

static void
await_all(void)
{
	pthread_mutex_lock(&ring.lock);
	while (ring.n_done < JOBS)
		pthread_cond_wait(&ring.done_changed, &ring.lock);
	pthread_mutex_unlock(&ring.lock);
}

static struct ec_trust *
make_trust(void)
{
	struct ec_trust *trust = ec_trust_new();
	char error[EC_ERROR_MAX];
	struct ec_own own = { 0 };
	struct cert cert;

	cert_make(&cert, &(struct cert_spec){ .cn = "us" });
	own.key = (struct ec_bytes){ cert.key_der, cert.key_der_len };
	cr_assert_eq(ec_trust_add_own(trust, &own, error), 0, "%s", error);
	cert_free(&cert);
	return trust;
}

/* The signature in the flight that a job made. */
static const uint8_t *
signature_of(const struct ec_job *job)
{
	struct reader reader = reader_init(job->bytes, job->flight_len);
	struct dtls_message message;
	struct dtls_bytes signature;
	const uint8_t *point;

	while (dtls_message_next(&reader, &message))
		if (message.type == DTLS_SERVER_KEY_EXCHANGE &&
		    dtls_server_key_exchange_parse(message.fragment, message.length, &point,
						   &signature))
			return signature.at;
	cr_assert_fail("no signature");
	return NULL;
}

static bool
same(const uint8_t *a, const uint8_t *b, size_t len)
{
	return memcmp(a, b, len) == 0;
}

Test(ec_threads, without_trust_every_job_is_refused)
{
	char error[EC_ERROR_MAX];
	struct ec_threads *threads = ec_threads_new(&way, 2, NULL, error);

	cr_assert_not_null(threads, "%s", error);
	offer_all();
	await_all();
	for (unsigned i = 0; i < JOBS; i++)
		cr_assert_eq(ring.jobs[i].verdict, EC_NO_CREDENTIAL);
	ec_threads_free(threads);
}

Test(ec_threads, no_key_pair_and_no_nonce_comes_twice)
{
	char error[EC_ERROR_MAX];
	struct ec_threads *threads = ec_threads_new(&way, 3, NULL, error);
	struct ec_trust *trust = make_trust();
	struct ec_totals totals;

	cr_assert_not_null(threads, "%s", error);
	ec_threads_publish(threads, trust);
	for (unsigned round = 0; round < 4; round++) {
		offer_all();
		await_all();
		for (unsigned i = 0; i < JOBS; i++) {
			const struct ec_job *a = &ring.jobs[i];

			cr_assert_eq(ring.jobs[i].verdict, EC_GOOD);
			for (unsigned j = 0; j < i; j++) {
				const struct ec_job *b = &ring.jobs[j];

				cr_assert(!same(a->secrets.secret, b->secrets.secret,
						sizeof a->secrets.secret));
				/* The signature begins with r, which is the nonce's. */
				cr_assert(!same(signature_of(a), signature_of(b), 34));
			}
		}
	}
	ec_threads_totals(threads, &totals);
	cr_assert_eq(totals.made_ahead + totals.made_waiting, 4 * JOBS);
	ec_threads_free(threads);
	ec_trust_release(trust);
}

Test(ec_threads, trust_may_change_while_jobs_run)
{
	char error[EC_ERROR_MAX];
	struct ec_threads *threads = ec_threads_new(&way, 3, NULL, error);

	cr_assert_not_null(threads, "%s", error);
	for (unsigned round = 0; round < 8; round++) {
		struct ec_trust *trust = make_trust();

		offer_all();
		ec_threads_publish(threads, trust);
		ec_trust_release(trust); /* they hold it */
		await_all();
	}
	offer_all();
	await_all();
	for (unsigned i = 0; i < JOBS; i++)
		cr_assert_eq(ring.jobs[i].verdict, EC_GOOD);
	ec_threads_free(threads);
}

Test(ec_threads, an_end_does_not_wait_for_jobs)
{
	char error[EC_ERROR_MAX];
	struct ec_threads *threads = ec_threads_new(&way, 2, NULL, error);
	struct ec_trust *trust = make_trust();

	cr_assert_not_null(threads, "%s", error);
	ec_threads_publish(threads, trust);
	offer_all();
	ec_threads_free(threads);
	ec_trust_release(trust);
	cr_assert_leq(ring.n_done, JOBS);
}

static unsigned
read_locked(const unsigned *number)
{
	unsigned now;

	pthread_mutex_lock(&ring.lock);
	now = *number;
	pthread_mutex_unlock(&ring.lock);
	return now;
}

Test(ec_threads, no_job_is_begun_while_they_rest)
{
	char error[EC_ERROR_MAX];
	struct ec_threads *threads = ec_threads_new(&way, 3, NULL, error);
	struct ec_trust *trust = make_trust();

	cr_assert_not_null(threads, "%s", error);
	ec_threads_publish(threads, trust);
	for (unsigned round = 0; round < 3; round++) {
		unsigned waiting;

		offer_all();
		cr_assert(ec_threads_rest(threads, 60000));
		/* Nobody has one in his hands, and nobody takes one. */
		waiting = read_locked(&ring.n_todo);
		cr_assert_eq(read_locked(&ring.n_done), JOBS - waiting);
		for (unsigned i = 0; i < 100; i++)
			sched_yield();
		cr_assert_eq(read_locked(&ring.n_todo), waiting);
		ec_threads_go_on(threads);
		await_all();
	}
	cr_assert(ec_threads_rest(threads, 60000));
	ec_threads_free(threads);
	ec_trust_release(trust);
}

/* A token that does not answer. */
static pthread_mutex_t token = PTHREAD_MUTEX_INITIALIZER;

static void
give_late(void *ctx, struct ec_job *job)
{
	pthread_mutex_lock(&token);
	pthread_mutex_unlock(&token);
	give(ctx, job);
}

Test(ec_threads, one_that_does_not_come_to_rest_is_told_of_and_all_go_on)
{
	static const struct ec_way slow = { take, give_late, wait_for_job, wake, NULL };
	char error[EC_ERROR_MAX];
	struct ec_threads *threads = ec_threads_new(&slow, 2, NULL, error);

	cr_assert_not_null(threads, "%s", error);
	pthread_mutex_lock(&token);
	offer_all();
	while (read_locked(&ring.n_todo) == JOBS)
		sched_yield();
	cr_assert_not(ec_threads_rest(threads, 1));
	pthread_mutex_unlock(&token);
	await_all();
	ec_threads_free(threads);
}
