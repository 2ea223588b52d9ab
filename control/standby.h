/*
 * standby.h - a start beside the process that serves: everything is checked and loaded, then sessions
 * and the control socket pass, and this one serves. The other's side is commands/upgrade.h.
 *
 * Each step returns 0; or -1 where it fails, and it is logged why: then the start has failed, and
 * standby_refuse() tells the other process, which goes on. Owner: the daemon. Control thread.
 */
#pragma once

#include "control/audit/audit.h"
#include "control/handover/standby_state.h"
#include "control/runs/service.h"

/* Before anything is opened: whom it follows, and whether that can be. */
int standby_meet(struct standby *standby, const struct config *config);
/* The policy is loaded: tells so, and waits for the store. */
int standby_found(const struct standby *standby, const struct service *service);
/* Everything is loaded, and the dataplane stands: takes over what passes, the control socket's listener too. */
int standby_take(struct standby *standby, struct service *service);
/* Opens the ports that the other one has closed now; then nothing can fail any more but the workers' start: waits for its
 * last word. */
int standby_await_go(struct standby *standby, struct dataplane *dp);
/* The workers run. audit: where it is told who asked for it; NULL: nowhere. */
void standby_serves(struct standby *standby, struct audit *audit);
/* Tells the other process why not, by the last error that was logged. */
void standby_refuse(const struct standby *standby);
void standby_fini(struct standby *standby);
