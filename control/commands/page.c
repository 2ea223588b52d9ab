#include "control/commands/page.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "control/clock.h"

enum { STEPS_PER_LOOK = 64 }; /* at the clock: some microseconds */

bool
page_begin(struct page *page, struct call *call)
{
	const char *at = call->request ? call->request->page : NULL;
	char *end;

	*page = (struct page){ .on = at != NULL };
	if (!at)
		return true;
	page->until_us = clock_now_us() + PAGE_US;
	if (!*at)
		return true;
	call->view.no_heading = true;
	page->from = strtoull(at, &end, 10);
	if (end != at && *end == ':') {
		at = end + 1;
		page->matched = strtoull(at, &end, 10);
		if (end != at && !*end)
			return true;
	}
	call_refuse(call, CTL_USAGE, "\"%.40s\" is no place to go on from", call->request->page);
	return false;
}

bool
page_full(struct page *page)
{
	if (!page->on)
		return false;
	if (page->rows >= PAGE_ROWS)
		return true;
	return ++page->steps % STEPS_PER_LOOK == 0 && clock_now_us() >= page->until_us;
}

void
page_end(const struct page *page, struct call *call, uint64_t next)
{
	assert(page->on); /* only a slice fills */
	snprintf(call->next, sizeof call->next, "%" PRIu64 ":%" PRIu64, next, page->matched);
}

bool
page_shows(struct page *page, long offset, long limit)
{
	uint64_t number = page->matched++;

	assert(offset >= 0 && limit >= 0);
	if (number < (uint64_t)offset || number >= (uint64_t)(offset + limit))
		return false;
	page->rows++;
	return true;
}

void
page_tell_rest(const struct page *page, struct call *call, long offset, long limit)
{
	long rest = (long)page->matched - offset - limit;

	if (rest > 0)
		text_show(&call->text, "... %ld more: --offset %ld\n", rest, offset + limit);
}
