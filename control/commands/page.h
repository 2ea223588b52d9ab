/*
 * page.h - lists in slices: no list holds the control thread for longer than a few milliseconds, however long it is.
 *
 * A request for a list is answered with as many rows as fit a slice, and with where to go on (ctl_proto.h, "next"): the
 * place of the row that comes next, and how many have matched. Between slices others are served, and what is listed may
 * change: each list has an order that survives changes (numbers that are never used again, or names), so a row that was
 * there all the time is listed once.
 *
 * What the user sees of it are --limit, --offset and --cursor. Without --cursor the whole list is gone through and counted,
 * with it the list stops at its limit. Either way the result tells under "next" the --cursor of the first row behind the
 * limit; null: there is none. Control thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "control/commands/call.h"

enum {
	PAGE_ROWS = 200,    /* of a slice: well below a frame, whatever is in them */
	PAGE_STEPS = 10000, /* rows looked at for a slice, shown or not */
	PAGE_US = 1000,     /* a slice ends by the clock, too; to encode it takes as long again */
	PAGE_PLACE_MAX = 1024,  /* bytes of a place: a name, NUL included */
	PAGE_ALL = 1000000000L, /* no limit */
};

struct page {
	struct call *call;
	long offset, limit;
	bool by_name;                   /* places are names, not numbers */
	bool stops;                     /* at its limit: there was a --cursor */
	uint64_t from;                  /* where this slice begins, in a list by numbers */
	char from_name[PAGE_PLACE_MAX]; /* ... in a list by names; "": at its beginning */
	char behind[PAGE_PLACE_MAX];    /* the first row behind the limit; "": none was met */
	uint64_t matched;               /* so far, with former slices */
	uint64_t until_us;
	unsigned steps, rows;
	bool ended; /* the limit was met, and the list stops there */
};

/*
 * Reads the call's --limit (`limit` without it), --offset, --cursor and place. False after refusing. Sets the look of
 * tables in call->text.
 */
bool page_begin(struct page *page, struct call *call, long limit);
bool page_begin_names(struct page *page, struct call *call, long limit);
/*
 * Begins the table of the list's rows. A client that takes pages gets the one form that it shows, and the other is not
 * made: the table takes no cells where nobody shows it.
 */
void page_table(const struct page *page, struct table *table, const char *heading);
/* Where rows for machines go; NULL: nobody wants them. */
json_t *page_rows(const struct page *page, json_t *list);
/* Whether it is the first slice of a list from its beginning. */
bool page_is_first(const struct page *page);
/* Asked before each row that is looked at: whether the slice is full. */
bool page_full(struct page *page);
/* The row at this place matches: whether it is shown. */
bool page_shows(struct page *page, uint64_t place);
bool page_shows_name(struct page *page, const char *place);
/*
 * At the end, with call->result set: tells where the list goes on, at `next`, which the next slice looks at first. Where
 * there is no `more` the list has ended. Puts "next" and, where all was counted, "count" into the result.
 */
void page_finish(const struct page *page, bool more, uint64_t next);
void page_finish_name(const struct page *page, const char *next); /* NULL: no more */
