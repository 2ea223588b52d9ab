/*
 * dataplane.h - the facade: everything the control side may know of the polled side.
 *
 * Life: dataplane_new() (starts the DPDK environment, opens ports, allocates every pool) -> dataplane_start() (workers
 * poll) -> ... -> dataplane_stop() -> dataplane_free(). One dataplane a process: DPDK's environment is global.
 * Threads: all functions belong to the control thread, which is DPDK's main lcore. None of them stalls a worker.
 * Control reaches workers in two ways: it publishes immutable images (directory, limits), and it posts commands to
 * bounded mailboxes. Workers reach control by event rings and counters.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/core/coap/coap_msg.h"
#include "dataplane/core/counters.h"
#include "dataplane/core/ec_verdict.h"
#include "dataplane/core/peer.h"
#include "dataplane/core/record.h"
#include "dataplane/core/record_kinds.h"
#include "dataplane/core/stack.h"
#include "dataplane/core/stack_kept.h"
#include "dataplane/core/stack_kept_head.h"
#include "dataplane/core/stack_pass.h"
#include "dataplane/core/tables/directory.h"

enum {
	DATAPLANE_PORTS_MAX = 16,
	DATAPLANE_WORKERS_MAX = 64,
	DATAPLANE_ADDRESSES_MAX = 32,
	DATAPLANE_ERROR_MAX = 512,
	DATAPLANE_STEPS_MAX = 10,
};

/* An address of ours: v4-mapped or IPv6, with the prefix that is on-link, of 32 or 128 bits: its broadcast address is no
 * source. Replies return to the MAC they came from. */
struct dataplane_address {
	uint8_t addr[16];
	uint8_t prefix;
};

struct dataplane_port_config {
	const char *device; /* PCI address or vdev string: "net_af_packet0,iface=veth0", "0000:03:00.0" */
	uint16_t queues;    /* 0: one a worker, or what the device offers; memif: one. Its peer's number of rings */
	uint16_t rx_descriptors, tx_descriptors; /* 0: the driver's default */
	uint16_t mtu;       /* 0: 1500 */
	uint16_t vlan;      /* the VLAN our addresses live in; LINK_UNTAGGED: any tag is answered in kind */
	struct dataplane_address addresses[DATAPLANE_ADDRESSES_MAX];
	unsigned n_addresses;
};

struct dataplane_listener_config {
	uint16_t udp_port;
	uint8_t security; /* enum listener_security; on every address of every port */
	bool serves_keyed; /* NoSec: devices with a key or a certificate, too */
};

enum dataplane_hugepages {
	DATAPLANE_HUGEPAGES_NO,   /* ordinary memory: no set-up needed */
	DATAPLANE_HUGEPAGES_YES,  /* refuse to start without */
	DATAPLANE_HUGEPAGES_AUTO, /* use them where enough are free */
};

struct dataplane_config {
	struct dataplane_port_config ports[DATAPLANE_PORTS_MAX];
	unsigned n_ports;
	struct dataplane_listener_config listeners[8];
	unsigned n_listeners;
	uint8_t forward_address[16]; /* of LISTENER_FORWARD: of what is sent to other members */
	unsigned workers;
	const char *cpus;        /* CPUs of the workers, in order: "1-3,5"; NULL: picked from the allowed ones */
	int control_cpu;         /* -1: the first allowed one */
	unsigned sessions;       /* of all workers together */
	unsigned answers; /* of devices, that wait at once, a worker; 0: one for eight sessions */
	unsigned answer_bytes;   /* of each; 0: 8192 */
	unsigned ec_threads;     /* that compute with elliptic curves; 0: no certificates */
	unsigned certificates;   /* handshakes with certificates at a time, a worker; 0: one for sixteen sessions */
	unsigned packet_buffers; /* 0: computed from queues and bursts */
	unsigned memory_mb;      /* 0: computed; what --no-huge may take, or hugepages to use */
	uint8_t hugepages;       /* enum dataplane_hugepages; true and false read as YES and NO */
	bool idle_yield;         /* sched_yield() on empty turns: for shared CPUs */
	const char *file_prefix; /* DPDK's; NULL: "cradle" */
	const char *eal_args;    /* further arguments, blank separated; NULL: none */
	int log_fd;              /* DPDK's warnings are written here, a line each, never blocking; 0: standard error */
	bool beside; /* another process has the ports that one at a time can have: dataplane_take_ports() */
	void (*worker_begins)(void); /* NULL, or called by each worker's thread before it polls */
	struct stack_limits limits;
};

struct dataplane;

/* NULL and a sentence in `error` (what failed, then the remedy) when the environment or a port can't be had. */
struct dataplane *dataplane_new(const struct dataplane_config *config,
				char error[DATAPLANE_ERROR_MAX]);
int dataplane_start(struct dataplane *dp, char error[DATAPLANE_ERROR_MAX]);
/* Ends the workers after their present turn: no new datagram is taken. Idempotent. */
void dataplane_stop(struct dataplane *dp);
void dataplane_free(struct dataplane *dp);

/*
 * ---- passing on: sessions go on in the next process ----
 *
 *	old: dataplane_pause() -> { dataplane_settle() }* -> dataplane_save() of each worker
 *	     -> dataplane_give_ports() -> dataplane_abandon(), or dataplane_resume() where the next one is not
 *	     ready after all
 *	new: dataplane_new() -> dataplane_discard(), just before the old one pauses
 *	     -> dataplane_load() of each worker -> dataplane_take_ports() -> dataplane_start()
 */

/* Whether its ports can be another process's, at the same time or after it; false and a sentence: which one cannot. */
bool dataplane_can_pass(const struct dataplane *dp, char error[DATAPLANE_ERROR_MAX]);
/* Workers end their present turn and rest; devices' datagrams wait in the ports. */
void dataplane_pause(struct dataplane *dp);
/*
 * (while paused) Brings to the stacks what is on its way inside the process. Take events and post commands
 * meanwhile. True: there was something.
 */
bool dataplane_settle(struct dataplane *dp);
/* (while paused) Closes the ports that one process at a time can have. */
void dataplane_give_ports(struct dataplane *dp);
/*
 * (before dataplane_start(), of dataplane_config.beside) Opens them, when the other process has closed them. 0; -1 and a
 * sentence: then the dataplane is of no use but for dataplane_free().
 */
int dataplane_take_ports(struct dataplane *dp, char error[DATAPLANE_ERROR_MAX])
	__attribute__((warn_unused_result));
/* They go on as if nothing had been. 0; -1 and a sentence: the dataplane has stopped. */
int dataplane_resume(struct dataplane *dp, char error[DATAPLANE_ERROR_MAX])
	__attribute__((warn_unused_result));
/* As dataplane_stop(), but of a paused one whose sessions are another's now: nothing is sent. */
void dataplane_abandon(struct dataplane *dp);

/* (while paused) Bytes that suffice for what passes of a worker, and it, as a file of records. */
size_t dataplane_save_size(const struct dataplane *dp, unsigned worker);
void dataplane_save(struct dataplane *dp, unsigned worker, struct record_writer *writer,
		    const struct stack_saving *saving, struct stack_passed *passed);

/* The workers' clock, so that times of other records of a file mean something where it is read. */
void dataplane_save_clock(struct record_writer *writer);
/* Of the PASSED_CLOCK at hand: times that are read from here on are the workers' of this process. */
void dataplane_load_clock(struct record_reader *reader);

/* (before dataplane_start()) Reads away what the ports have received: it was answered by others. */
void dataplane_discard(struct dataplane *dp);
struct dataplane_loading {
	const struct batch *(*batch)(void *ctx, uint32_t number); /* stack_loading */
	void *ctx;
	uint32_t trust; /* the same */
};
/*
 * (before dataplane_start()) Takes what was saved of a worker of this number. 0; -1 and a sentence: then the
 * dataplane is of no use but for dataplane_free().
 */
int dataplane_load(struct dataplane *dp, unsigned worker, struct record_reader *reader,
		   const struct dataplane_loading *loading, struct stack_passed *passed,
		   char error[DATAPLANE_ERROR_MAX]) __attribute__((warn_unused_result));

/*
 * ---- keeping: associations outlive a crash of this process ----
 *
 * In memory that does so (a memfd that somebody else holds, too): it is the caller's, aligned to a page, and stays until the
 * dataplane is freed. One of both, before dataplane_start(), with a directory published. While workers rest
 * (dataplane_pause()) what is there does not count: what passes to the next process must not come back from here.
 */

/* Bytes; 0: there is no DTLS, so nothing to keep. */
size_t dataplane_kept_size(const struct dataplane *dp);
/* In memory that is all zero. Associations that passed from another process are kept, too. */
void dataplane_keep(struct dataplane *dp, void *memory);
/*
 * In memory as a process that ended in whatever way left it: its associations go on here. Another answer than
 * KEPT_FOUND_GOOD: nothing was done, and what is there must be wiped.
 */
enum kept_found dataplane_restore(struct dataplane *dp, void *memory,
				  struct stack_restored *restored)
	__attribute__((warn_unused_result));

/* What was set up, for the start-up message and `status`. */
struct dataplane_info {
	unsigned workers, ports, listeners;
	unsigned sessions_per_worker;
	size_t session_bytes;       /* of one session */
	size_t stack_bytes;         /* of one worker's stack */
	unsigned packet_buffers;
	size_t packet_buffer_bytes; /* of one */
	bool hugepages;
	size_t memory_bytes; /* that DPDK was asked for: what hugepages must hold */
	const char *crypto;    /* the primitives of DTLS that this processor runs best */
	unsigned step_percent; /* that two of its hashes in step cost, of one after the other ... */
	bool handshakes_alone; /* ... and whether that is too much to make handshakes in step */
};
void dataplane_info(const struct dataplane *dp, struct dataplane_info *info);

enum dataplane_link {
	LINK_UNKNOWN, /* nobody looked yet */
	LINK_UP,
	LINK_DOWN,
	LINK_GONE, /* the kernel's interface that the port is on is not there */
};

struct dataplane_port_info {
	const char *device, *driver;
	uint8_t mac[6];
	uint16_t queues;
	unsigned queues_missed; /* of its interface, whose frames the kernel gets: AF_XDP takes single ones */
	uint8_t link;      /* enum dataplane_link */
	unsigned reopened; /* how often it was opened again, as its interface was made anew */
	const char *trouble; /* why it cannot be opened again, "" where it can */
	bool rss, tx_checksum, rx_checksum;
	uint64_t rx_missed, rx_errors, tx_errors, rx_no_buffer;
};
/*
 * Looks at the ports' links, opens those again whose interface of the kernel was made anew, and announces
 * the addresses of ports that are new to their link, a second apart (io/announce.h): call it every half
 * second or so. told(ctx, port, event) hears of what has changed.
 */
enum dataplane_port_event {
	PORT_NOTHING, /* never told */
	PORT_LINK_CHANGED,
	PORT_REOPENED,
	PORT_READDRESSED, /* its interface has another MAC address */
	PORT_IN_TROUBLE,
};
void dataplane_watch_ports(struct dataplane *dp,
			   void (*told)(void *ctx, unsigned port, enum dataplane_port_event event),
			   void *ctx);
/* 0, or -ENOENT above the last port. */
int dataplane_port_info(const struct dataplane *dp, unsigned port, struct dataplane_port_info *info);

/* Where a listener (peer.listener) hears: its address, v4-mapped or IPv6, and port. 0, or -ENOENT. */
int dataplane_listener(const struct dataplane *dp, unsigned listener, uint8_t addr[16],
		       uint16_t *udp_port);

/* Publishes a directory (owner: the caller, as of all entries); returns the former one for retirement. Workers see it
 * from their next turn on. */
struct directory *dataplane_publish_directory(struct dataplane *dp, struct directory *directory);
/* Publishes limits; copies them. */
int dataplane_publish_limits(struct dataplane *dp, const struct stack_limits *limits);

/* Calls release(ctx, what) from dataplane_reap(), once every worker has passed a quiescent point after this call. */
int dataplane_retire(struct dataplane *dp, void (*release)(void *ctx, void *what), void *ctx,
		     void *what);
/* Releases what is due; returns what is still pending. Cheap; call it from the control loop. */
unsigned dataplane_reap(struct dataplane *dp);

/* Takes up to n events of all workers, oldest first within a worker; worker[i] names the sender. */
unsigned dataplane_events(struct dataplane *dp, struct session_event *events, uint16_t *workers,
			  unsigned n);
/* Posts a command; -EAGAIN when the mailbox is full: try again from the loop. */
int dataplane_command(struct dataplane *dp, unsigned worker, const struct stack_command *command)
	__attribute__((warn_unused_result));

enum trace_wish { TRACE_WISH_NOTHING, TRACE_WISH_MESSAGES, TRACE_WISH_DATAGRAMS /* those, too */ };
/*
 * Traces the dialogue of a device (its directory id) on every worker, or ends that by
 * TRACE_WISH_NOTHING. At most TRACED_MAX at a time: -ENOSPC. -EAGAIN when a mailbox is full, and
 * -ESRCH when the workers have ended; then some workers may have done so: ask again.
 */
int dataplane_trace(struct dataplane *dp, uint32_t device, enum trace_wish wish)
	__attribute__((warn_unused_result));
/* What was posted to each worker up to a moment. */
struct dataplane_mark {
	uint32_t posted[DATAPLANE_WORKERS_MAX];
};
void dataplane_mark(const struct dataplane *dp, struct dataplane_mark *mark);
/* Whether workers have taken all of it: what they receive from now on, they receive knowing it. True, too, while none runs. */
bool dataplane_has_taken(const struct dataplane *dp, const struct dataplane_mark *mark);
/* Takes up to n records of traced devices, oldest first within a worker. Wipe them after use. What found no room in the
 * ring is counted (trace_full). */
unsigned dataplane_trace_take(struct dataplane *dp, struct trace_record *records, unsigned n);

/*
 * The way to the threads that compute with elliptic curves (ec_job.h), where dataplane_config.ec_threads is not 0. These
 * belong to them: take jobs, give each back to its worker, wait for more.
 */
unsigned dataplane_ec_take(struct dataplane *dp, struct ec_job **jobs, unsigned n);
void dataplane_ec_give(struct dataplane *dp, struct ec_job *job);
void dataplane_ec_wait(struct dataplane *dp, int timeout_ms);
/* From any thread: ends one dataplane_ec_wait(). */
void dataplane_ec_wake(struct dataplane *dp);

/* Sums over workers, or one worker's (worker >= 0). Never resets. */
void dataplane_counters(const struct dataplane *dp, int worker, struct counters *out);

/* How long things took, summed over workers or of one (worker >= 0). Never resets. */
struct dataplane_delays {
	struct delays phases[RUN_PHASES];      /* by enum run_phase, in microseconds */
	struct delays busy_turn_cycles; /* of turns with something to do, in cycles of the time stamp counter */
};
void dataplane_delays(const struct dataplane *dp, int worker, struct dataplane_delays *out);

struct dataplane_worker_info {
	int cpu;
	struct stack_gauges gauges;
	uint64_t turns, busy_turns;          /* of the loop; busy: something was received or due */
	uint64_t cycles, busy_cycles;        /* spent, in the time stamp counter's unit */
	struct {
		const char *name; /* NULL after the last */
		uint64_t cycles;
	} steps[DATAPLANE_STEPS_MAX];        /* parts of busy_cycles, by the step of a turn */
	uint64_t longest_turn_cycles;        /* the slowest turn so far ... */
	const char *longest_step;            /* ... and the step of it that was slow */
	uint64_t heartbeat;                  /* grows while the worker is alive */
};
int dataplane_worker_info(const struct dataplane *dp, unsigned worker,
			  struct dataplane_worker_info *info);

/* How far a run of a worker is; false: it is over, and another may have its slot. */
bool dataplane_progress(const struct dataplane *dp, unsigned worker, struct session_ref session,
			struct session_progress *progress);

/* The workers' clock, as in session_event.time_us. */
uint64_t dataplane_now_us(void);
/* Cycles of the time stamp counter in a second. */
uint64_t dataplane_cycles_per_s(void);
