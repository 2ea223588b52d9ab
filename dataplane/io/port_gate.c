#include "dataplane/io/port_gate.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <rte_common.h>
#include <rte_interrupts.h>

#include "dataplane/io/interrupts.h"

/* DPDK 22.11 says of what reads and makes interrupt handles that it is not stable yet; later ones have it unchanged. */
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

/* A handler of a gated driver, registered as run_handler(this). */
struct handler {
	rte_intr_callback_fn call; /* NULL: this place is free */
	void *arg;
	rte_intr_unregister_callback_fn unregistered;
	int fd;       /* that it is of */
	ino_t socket; /* behind the descriptor */
	bool is_new;  /* registered by the handler that runs */
};

/* At file scope, as DPDK has one interrupt thread and drivers know no context of ours. */
static struct {
	_Atomic bool closed;
	pthread_mutex_t waiting; /* held while the interrupt thread waits for workers */
	struct rte_rcu_qsbr *qsbr;
	pthread_mutex_t lock; /* of the handlers; never held while one of them runs */
	struct handler handlers[PORT_GATE_HANDLERS];
} gate = { .waiting = PTHREAD_MUTEX_INITIALIZER, .lock = PTHREAD_MUTEX_INITIALIZER };

/* On the interrupt thread, which is how a handler that registers another one is told from who else does. */
static _Thread_local bool handler_runs;

/* ---- the gate ---- */

bool
port_gate_wanted(const char *driver)
{
	return strcmp(driver, "net_memif") == 0;
}

bool
port_gate_works(void)
{
	/* What a shared library finds under this name: ours, where the program exports it. */
	return dlsym(RTLD_DEFAULT, "rte_intr_callback_register") ==
	       (void *)(uintptr_t)rte_intr_callback_register;
}

static void
set_qsbr(struct rte_rcu_qsbr *qsbr)
{
	pthread_mutex_lock(&gate.waiting);
	gate.qsbr = qsbr;
	pthread_mutex_unlock(&gate.waiting);
}

static bool
has_handlers(void)
{
	bool has = false;

	pthread_mutex_lock(&gate.lock);
	for (unsigned i = 0; i < RTE_DIM(gate.handlers); i++)
		has |= gate.handlers[i].call != NULL;
	pthread_mutex_unlock(&gate.lock);
	return has;
}

void
port_gate_attach(struct rte_rcu_qsbr *qsbr)
{
	interrupts_release();
	set_qsbr(qsbr);
}

bool
port_gate_detach(void)
{
	set_qsbr(NULL);
	return !has_handlers() || interrupts_hold();
}

bool
port_gate_closed(void)
{
	return atomic_load_explicit(&gate.closed, memory_order_acquire);
}

/*
 * A worker that comes online just now either is seen by the check, or sees the gate closed: its
 * store of being online and ours of `closed` are sequentially consistent, and so are both loads
 * that follow.
 */
static void
close_gate(void)
{
	uint64_t token;

	atomic_store(&gate.closed, true);
	atomic_thread_fence(memory_order_seq_cst);
	pthread_mutex_lock(&gate.waiting);
	if (gate.qsbr) {
		token = rte_rcu_qsbr_start(gate.qsbr);
		/* A worker may need the CPU we are on to get to its quiescent point. */
		while (rte_rcu_qsbr_check(gate.qsbr, token, false) == 0)
			sched_yield();
	}
	pthread_mutex_unlock(&gate.waiting);
}

static void
open_gate(void)
{
	atomic_store_explicit(&gate.closed, false, memory_order_release);
}

/* ---- handlers ---- */

/* 0: the descriptor is none of a socket. A later socket has another number. */
static ino_t
socket_of(int fd)
{
	struct stat status;

	return fstat(fd, &status) == 0 && S_ISSOCK(status.st_mode) ? status.st_ino : 0;
}

static void
forget(struct handler *handler)
{
	pthread_mutex_lock(&gate.lock);
	*handler = (struct handler){ 0 };
	pthread_mutex_unlock(&gate.lock);
}

static void
handler_unregistered(struct rte_intr_handle *handle, void *ctx)
{
	struct handler handler = *(struct handler *)ctx;

	forget((struct handler *)ctx);
	if (handler.unregistered)
		handler.unregistered(handle, handler.arg);
}

/* The handler's place, or NULL. A `call` of NULL finds a free one. */
static struct handler *
find(rte_intr_callback_fn call, const void *arg)
{
	for (unsigned i = 0; i < RTE_DIM(gate.handlers); i++)
		if (gate.handlers[i].call == call && (!call || gate.handlers[i].arg == arg))
			return &gate.handlers[i];
	return NULL;
}

static struct handler *
find_registered(rte_intr_callback_fn call, const void *arg)
{
	struct handler *handler;

	pthread_mutex_lock(&gate.lock);
	handler = call ? find(call, arg) : NULL;
	pthread_mutex_unlock(&gate.lock);
	return handler;
}

static struct handler *
keep(rte_intr_callback_fn call, void *arg, int fd)
{
	struct handler *handler;

	pthread_mutex_lock(&gate.lock);
	handler = find(NULL, NULL);
	if (handler)
		*handler = (struct handler){ .call = call,
					     .arg = arg,
					     .fd = fd,
					     .socket = socket_of(fd),
					     .is_new = handler_runs };
	pthread_mutex_unlock(&gate.lock);
	return handler;
}

/* One that the handler registered which just ran, or NULL: no more of them. */
static struct handler *
take_new(void)
{
	struct handler *found = NULL;

	pthread_mutex_lock(&gate.lock);
	for (unsigned i = 0; i < RTE_DIM(gate.handlers) && !found; i++)
		if (gate.handlers[i].is_new)
			found = &gate.handlers[i];
	if (found)
		found->is_new = false;
	pthread_mutex_unlock(&gate.lock);
	return found;
}

static void run_handler(void *ctx);

static bool
is_gated(rte_intr_callback_fn call)
{
	Dl_info library;

	return dladdr((void *)(uintptr_t)call, &library) && library.dli_fname &&
	       strstr(library.dli_fname, "librte_net_memif");
}

/* DPDK's own; an address of a function fits a pointer (POSIX). */
#define DPDKS(name) ((__typeof__(&(name)))(uintptr_t)dlsym(RTLD_NEXT, #name))

__attribute__((visibility("default"))) int
rte_intr_callback_register(const struct rte_intr_handle *handle, rte_intr_callback_fn call,
			   void *arg)
{
	struct handler *handler;
	int rc;

	if (!is_gated(call))
		return DPDKS(rte_intr_callback_register)(handle, call, arg);
	handler = keep(call, arg, rte_intr_fd_get(handle));
	if (!handler)
		return -ENOMEM;
	rc = DPDKS(rte_intr_callback_register)(handle, run_handler, handler);
	if (rc < 0)
		forget(handler);
	return rc;
}

__attribute__((visibility("default"))) int
rte_intr_callback_unregister(const struct rte_intr_handle *handle, rte_intr_callback_fn call,
			     void *arg)
{
	struct handler *handler = find_registered(call, arg);
	int rc;

	if (!handler)
		return DPDKS(rte_intr_callback_unregister)(handle, call, arg);
	rc = DPDKS(rte_intr_callback_unregister)(handle, run_handler, handler);
	if (rc > 0)
		forget(handler);
	return rc;
}

__attribute__((visibility("default"))) int
rte_intr_callback_unregister_pending(const struct rte_intr_handle *handle,
				     rte_intr_callback_fn call, void *arg,
				     rte_intr_unregister_callback_fn unregistered)
{
	struct handler *handler = find_registered(call, arg);

	if (!handler)
		return DPDKS(rte_intr_callback_unregister_pending)(handle, call, arg, unregistered);
	handler->unregistered = unregistered;
	return DPDKS(rte_intr_callback_unregister_pending)(handle, run_handler, handler,
							   handler_unregistered);
}

/* ---- what drivers leave ---- */

/* Whatever became of its handle, DPDK knows the handler by the descriptor. 1: it is unregistered. */
static int
unregister_by_fd(struct handler *handler)
{
	struct rte_intr_handle *handle = rte_intr_instance_alloc(RTE_INTR_INSTANCE_F_PRIVATE);
	int rc;

	if (!handle)
		return -ENOMEM;
	(void)rte_intr_fd_set(handle, handler->fd);
	(void)rte_intr_type_set(handle, RTE_INTR_HANDLE_EXT);
	rc = DPDKS(rte_intr_callback_unregister)(handle, run_handler, handler);
	rte_intr_instance_free(handle);
	return rc;
}

/*
 * A peer that is gone when memif says hello to it: the driver closes the socket and frees what its handler works on, and
 * leaves the handler. DPDK would end the process at its next look at the descriptors.
 */
static void
drop_closed(void)
{
	struct handler *handler;

	while ((handler = take_new()))
		if (socket_of(handler->fd) != handler->socket && unregister_by_fd(handler) > 0)
			forget(handler);
}

/* It may unregister itself: `handler` is not touched after. */
static void
run_handler(void *ctx)
{
	const struct handler *handler = (const struct handler *)ctx;

	close_gate();
	handler_runs = true;
	handler->call(handler->arg);
	handler_runs = false;
	drop_closed();
	open_gate();
}

static void
close_left(struct handler *handler)
{
	int fd = handler->fd;

	/* Else the next process finds the name taken, and says so. */
	if (unregister_by_fd(handler) <= 0)
		return;
	forget(handler);
	close(fd);
}

void
port_gate_close_left(void)
{
	for (unsigned i = 0; i < RTE_DIM(gate.handlers); i++)
		if (gate.handlers[i].call)
			close_left(&gate.handlers[i]);
}
