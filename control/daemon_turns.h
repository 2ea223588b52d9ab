/*
 * daemon_turns.h - what the daemon does time and again while it serves: workers' events, what is due, whoever watches.
 *
 * Control thread.
 */
#pragma once

#include "control/daemon.h"

enum { TICK_IDLE_US = 10000 /* events wait this long at most when a first one comes */ };

/* The cause (turns.h) of the control socket's turns. */
extern const char daemon_turn_socket[];

/* A turn of the loop's tick; it sets the next one. ctx: the daemon. */
void daemon_tick(void *ctx, uint32_t events);
/* The service's pump (pump.h): workers and those who only look are answered while something takes long. ctx: the daemon. */
void daemon_poll_while_busy(void *ctx);
/* The audit's newest line goes to the log where it is due: what the log keeps cannot be made anew with the file. */
void daemon_tell_anchor(struct audit *audit, uint64_t now_ms);
