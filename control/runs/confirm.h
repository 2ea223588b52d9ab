/*
 * confirm.h - runs that wait before their Finish until their credentials are kept or delivered (credentials.h), and go on.
 *
 * Control thread. Allocates what a run's rest takes.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct service;

/* Ends, time-outs and what was written since: every tick. True while runs wait. */
bool confirm_poll(struct service *service, uint64_t now_ms);
