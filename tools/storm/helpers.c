#include "tools/storm/helpers.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

struct list {
	struct storm_cert *first, **end;
};

/* Some 5,000 handshakes a second and thread: a lock costs nothing beside them. */
struct helpers {
	pthread_mutex_t lock;
	pthread_cond_t offered;
	struct list waiting, done;
	bool stops;
	/* Relaxed: whoever sees it late looks again in his next turn. */
	_Atomic bool has_done;
	unsigned n;
	pthread_t threads[];
};

static void
append(struct list *list, struct storm_cert *cert)
{
	cert->next = NULL;
	*list->end = cert;
	list->end = &cert->next;
}

static struct storm_cert *
remove_first(struct list *list)
{
	struct storm_cert *cert = list->first;

	if (!cert)
		return NULL;
	list->first = cert->next;
	if (!list->first)
		list->end = &list->first;
	return cert;
}

static void *
work(void *arg)
{
	struct helpers *helpers = arg;

	pthread_mutex_lock(&helpers->lock);
	while (!helpers->stops) {
		struct storm_cert *cert = remove_first(&helpers->waiting);

		if (!cert) {
			pthread_cond_wait(&helpers->offered, &helpers->lock);
			continue;
		}
		pthread_mutex_unlock(&helpers->lock);
		storm_cert_compute(cert);
		pthread_mutex_lock(&helpers->lock);
		append(&helpers->done, cert);
		atomic_store_explicit(&helpers->has_done, true, memory_order_relaxed);
	}
	pthread_mutex_unlock(&helpers->lock);
	return NULL;
}

struct helpers *
helpers_new(unsigned threads)
{
	struct helpers *helpers = calloc(1, sizeof *helpers + threads * sizeof *helpers->threads);

	if (!helpers)
		return NULL;
	helpers->waiting.end = &helpers->waiting.first;
	helpers->done.end = &helpers->done.first;
	pthread_mutex_init(&helpers->lock, NULL);
	pthread_cond_init(&helpers->offered, NULL);
	while (helpers->n < threads &&
	       pthread_create(&helpers->threads[helpers->n], NULL, work, helpers) == 0)
		helpers->n++;
	if (helpers->n == threads)
		return helpers;
	helpers_free(helpers);
	return NULL;
}

static void
free_list(struct list *list)
{
	struct storm_cert *cert;

	while ((cert = remove_first(list)) != NULL)
		storm_cert_free(cert);
}

void
helpers_free(struct helpers *helpers)
{
	if (!helpers)
		return;
	pthread_mutex_lock(&helpers->lock);
	helpers->stops = true;
	pthread_cond_broadcast(&helpers->offered);
	pthread_mutex_unlock(&helpers->lock);
	while (helpers->n)
		pthread_join(helpers->threads[--helpers->n], NULL);
	free_list(&helpers->waiting);
	free_list(&helpers->done);
	pthread_cond_destroy(&helpers->offered);
	pthread_mutex_destroy(&helpers->lock);
	free(helpers);
}

void
helpers_offer(struct helpers *helpers, struct storm_cert *cert)
{
	pthread_mutex_lock(&helpers->lock);
	append(&helpers->waiting, cert);
	pthread_cond_signal(&helpers->offered);
	pthread_mutex_unlock(&helpers->lock);
}

struct storm_cert *
helpers_take(struct helpers *helpers)
{
	struct storm_cert *cert;

	if (!atomic_load_explicit(&helpers->has_done, memory_order_relaxed))
		return NULL;
	pthread_mutex_lock(&helpers->lock);
	cert = remove_first(&helpers->done);
	atomic_store_explicit(&helpers->has_done, helpers->done.first != NULL,
			      memory_order_relaxed);
	pthread_mutex_unlock(&helpers->lock);
	return cert;
}
