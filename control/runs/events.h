/*
 * events.h - what workers tell: sessions that start, need a batch, end.
 *
 * Control thread, from the loop. Every event leads to a report, a command to a worker, or both.
 */
#pragma once

struct service;

enum { EVENTS_A_TURN = 4096, EVENTS_US = 2000 };

/*
 * Ends runs that are marked as superseded; then takes what there is, at most EVENTS_A_TURN, or for EVENTS_US; returns how
 * many. service->events_left: there may be more.
 */
unsigned events_take(struct service *service);
