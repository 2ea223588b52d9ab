/*
 * port_gate.h - keeps workers out of ports whose driver changes them under a worker's hands.
 *
 * memif's driver maps the rings that it shares with its peer when the peer comes, and unmaps them
 * when the peer leaves: from DPDK's interrupt thread, in handlers of the peer's control socket, and
 * without waiting for who polls them (DPDK 22.11 and later). A worker in the middle of a burst then
 * reads what is gone. Its handlers therefore run behind this gate:
 *
 *	closed = true -> every worker passes a quiescent point -> the handler -> closed = false
 *
 * A worker looks once a turn, and while the gate is closed it neither receives nor transmits on
 * gated ports; frames wait in its transmit queue. What that costs is a turn, whenever the peer
 * comes or leaves.
 *
 * Behind the gate is also seen to it that the driver leaves no handler of a socket that it has closed.
 *
 * How: port_gate.c defines rte_intr_callback_register() and its counterparts, which call DPDK's own
 * of that name. The driver is a shared library that finds the program's first. Handlers of all
 * other drivers are passed on as they are.
 *
 * Threads: the gate is closed and opened by DPDK's interrupt thread; the rest as stated. Allocates
 * nothing: PORT_GATE_HANDLERS handlers at most, which is every port's listener and some peers each.
 */
#pragma once

#include <stdbool.h>

#include <rte_rcu_qsbr.h>

enum { PORT_GATE_HANDLERS = 128 };

/* Whether a driver's ports must be gated. Any thread. */
bool port_gate_wanted(const char *driver);
/* Whether the driver's handlers come here: false where DPDK is linked so that they cannot. */
bool port_gate_works(void);

/* (control thread) Who polls gated ports reports to qsbr, before the first one starts. Handlers run from here on. */
void port_gate_attach(struct rte_rcu_qsbr *qsbr);
/*
 * (control thread) Nobody polls any more, and gated ports are closed next, which frees what handlers would touch: those of
 * all drivers end first, and none runs until the next attach. false: one does not end, and gated ports are to be left as
 * they are. Where no gated driver has a handler, those of others go on. Idempotent.
 */
bool port_gate_detach(void) __attribute__((warn_unused_result));

/*
 * (control thread, after port_gate_detach() and when every gated port is closed) Closes what their drivers left open: memif
 * leaves the socket that it listened on, whose name then is nobody else's, and peers who have not said which port they want.
 */
void port_gate_close_left(void);

/* (worker, at the start of a turn) Loads acquire; a turn that began with the gate open may touch
 * gated ports until its quiescent point. */
bool port_gate_closed(void);
