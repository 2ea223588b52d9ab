/*
 * page.h - long lists in slices: no list holds the control thread for longer than a few milliseconds.
 *
 * A client that takes pages (ctl_proto.h) gets as many rows as fit a slice, and where to go on: a place among all there is,
 * and how many have matched. Between slices others are served, and what is listed may change: a row that was there all the
 * time is listed once. Whoever takes no pages gets everything at once. Control thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "control/commands/call.h"

enum { PAGE_ROWS = 200, PAGE_US = 2000 };

struct page {
	bool on;
	uint64_t from;    /* where this slice begins */
	uint64_t matched; /* so far, with former slices */
	uint64_t until_us;
	unsigned steps, rows;
};

/* False after refusing: the client's place is none. Sets the look of tables in call->text. */
bool page_begin(struct page *page, struct call *call);
/* Asked before each of what is looked at, matching or not: whether the slice is full. */
bool page_full(struct page *page);
/* One more matches: whether it is shown, of `limit` behind the first `offset`. */
bool page_shows(struct page *page, long offset, long limit);
/* The slice ended before `next`, which is looked at first in the next one. */
void page_end(const struct page *page, struct call *call, uint64_t next);
/* The list has ended: how many were beyond `limit`. */
void page_tell_rest(const struct page *page, struct call *call, long offset, long limit);
