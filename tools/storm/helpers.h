/*
 * helpers.h - threads that compute with elliptic curves for devices, so that the thread which moves
 * datagrams goes on meanwhile.
 *
 * Owner: the thread of one fleet, which alone offers and takes; certs come back in any order.
 * Allocates when made. Life: helpers_new() -> { helpers_offer(), helpers_take() } -> helpers_free(),
 * which frees what is still under way.
 */
#pragma once

#include "tools/storm/storm_cert.h"

struct helpers;

/* NULL: out of memory or threads. */
struct helpers *helpers_new(unsigned threads);
void helpers_free(struct helpers *helpers);

/* Until it was taken back the cert is the helpers', but for `abandoned`. */
void helpers_offer(struct helpers *helpers, struct storm_cert *cert);
/* One that was computed; NULL: there is none now. */
struct storm_cert *helpers_take(struct helpers *helpers);
