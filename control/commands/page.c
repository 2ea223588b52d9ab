#include "control/commands/page.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/clock.h"

enum { STEPS_PER_LOOK = 16 }; /* at the clock: some microseconds */

static bool
take_place(struct page *page, const char *place, size_t len)
{
	if (!len || len >= sizeof page->from_name ||
	    (!page->by_name && strspn(place, "0123456789") < len))
		return false;
	memcpy(page->from_name, place, len);
	page->from_name[len] = '\0';
	page->from = page->by_name ? 0 : strtoull(page->from_name, NULL, 10);
	return true;
}

/* "PLACE/MATCHED" or "PLACE/MATCHED/BEHIND", as page_finish() said it. */
static bool
take_slice(struct page *page, const char *slice)
{
	size_t len = strcspn(slice, "/");
	char *end;

	if (slice[len] != '/' || !take_place(page, slice, len))
		return false;
	slice += len + 1;
	if (*slice < '0' || *slice > '9')
		return false;
	page->matched = strtoull(slice, &end, 10);
	if (!*end)
		return true;
	len = strlen(end);
	if (*end != '/' || len == 1 || len > sizeof page->behind)
		return false;
	memcpy(page->behind, end + 1, len);
	return true;
}

static bool
begin(struct page *page, struct call *call, long limit, bool by_name)
{
	const char *slice = call->request ? call->request->page : NULL;
	const char *cursor = call_option(call, "--cursor");

	*page = (struct page){
		.call = call,
		.offset = call_number(call, "--offset", 0, PAGE_ALL),
		.limit = call_number(call, "--limit", limit, PAGE_ALL),
		.stops = cursor != NULL,
		.by_name = by_name,
		.until_us = clock_now_us() + PAGE_US,
	};
	if (call->exit != CTL_DONE)
		return false;
	call->in_slices = true;
	if (slice && *slice) {
		call->view.no_heading = true;
		if (take_slice(page, slice))
			return true;
		call_refuse(call, CTL_USAGE, "\"%.40s\" is no place to go on from", slice);
		return false;
	}
	if (!cursor || !*cursor || take_place(page, cursor, strlen(cursor)))
		return true;
	call_refuse(call, CTL_USAGE,
		    "--cursor takes what \"next\" said, or \"\" for the beginning, not \"%.40s\"",
		    cursor);
	return false;
}

bool
page_begin(struct page *page, struct call *call, long limit)
{
	return begin(page, call, limit, false);
}

bool
page_begin_names(struct page *page, struct call *call, long limit)
{
	return begin(page, call, limit, true);
}

/* The client shows that form; one that knows no pages gets both. */
static bool
shows_form(const struct page *page, bool json)
{
	const struct ctl_request *request = page->call->request;

	return !request || !request->page || request->json == json;
}

void
page_table(const struct page *page, struct table *table, const char *heading)
{
	table_init(table, heading);
	table->off = !shows_form(page, false);
}

json_t *
page_rows(const struct page *page, json_t *list)
{
	return shows_form(page, true) ? list : NULL;
}

bool
page_is_first(const struct page *page)
{
	return !*page->from_name;
}

bool
page_full(struct page *page)
{
	if (page->ended || page->rows >= PAGE_ROWS || page->steps >= PAGE_STEPS)
		return true;
	return ++page->steps % STEPS_PER_LOOK == 0 && clock_now_us() >= page->until_us;
}

/* One more matches. `name` is its place; NULL: `number` is. */
static bool
shows(struct page *page, const char *name, uint64_t number)
{
	uint64_t at = page->matched++, end = (uint64_t)(page->offset + page->limit);

	assert(page->offset >= 0 && page->limit >= 0);
	if (at >= end) {
		page->ended = page->stops;
		if (!*page->behind && name)
			snprintf(page->behind, sizeof page->behind, "%s", name);
		else if (!*page->behind)
			snprintf(page->behind, sizeof page->behind, "%" PRIu64, number);
		return false;
	}
	if (at < (uint64_t)page->offset)
		return false;
	page->rows++;
	return true;
}

bool
page_shows(struct page *page, uint64_t place)
{
	return shows(page, NULL, place);
}

bool
page_shows_name(struct page *page, const char *place)
{
	return shows(page, place, 0);
}

static void
tell_slice(const struct page *page, const char *next)
{
	if (asprintf(&page->call->next, "%s/%" PRIu64 "%s%s", next, page->matched,
		     *page->behind ? "/" : "", page->behind) >= 0)
		return;
	page->call->next = NULL;
	call_refuse(page->call, CTL_REFUSED, "out of memory");
}

static void
tell_end(const struct page *page)
{
	struct call *call = page->call;
	long rest = (long)page->matched - page->offset - page->limit;

	json_object_set_new(call->result, "next",
			    *page->behind ? json_string(page->behind) : json_null());
	if (page->stops && *page->behind)
		text_show(&call->text, "... there is more: --cursor %s\n", page->behind);
	if (page->stops)
		return;
	json_object_set_new(call->result, "count", json_integer((json_int_t)page->matched));
	if (rest > 0)
		text_show(&call->text, "... %ld more: --offset %ld\n", rest,
			  page->offset + page->limit);
}

void
page_finish_name(const struct page *page, const char *next)
{
	assert(page->call->result);
	if (next && !page->ended)
		tell_slice(page, next);
	else
		tell_end(page);
}

void
page_finish(const struct page *page, bool more, uint64_t next)
{
	char text[24];

	snprintf(text, sizeof text, "%" PRIu64, next);
	page_finish_name(page, more ? text : NULL);
}
