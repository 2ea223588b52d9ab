#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* What the allocator gets back must hold nothing of a secret. */
static const char secret[] = "correct horse battery staple";
static unsigned freed, dirty;

static void
looking_free(void *memory, size_t size)
{
	freed++;
	if (memory && memmem(memory, size, secret, sizeof secret - 1))
		dirty++;
	free(memory);
}

#define free(memory) looking_free(memory, buffer->capacity)
#include "control/buffer.c"
#undef free

Test(buffer, leaves_no_secret_behind_in_freed_memory)
{
	struct buffer buffer = { 0 };

	for (unsigned i = 0; i < 1000; i++)
		cr_assert_eq(buffer_put(&buffer, secret, sizeof secret - 1), 0);
	cr_assert_gt(buffer.capacity, 1000 * (sizeof secret - 1));
	buffer_fini(&buffer);
	cr_assert_gt(freed, 5);
	cr_assert_eq(dirty, 0);
}

Test(buffer, gives_back_what_was_put_in_order)
{
	struct buffer buffer = { 0 };
	unsigned in = 0, out = 0;

	for (unsigned round = 0; round < 2000; round++) {
		for (unsigned i = 0; i < round % 7; i++, in++)
			cr_assert_eq(buffer_put(&buffer, &in, sizeof in), 0);
		for (unsigned i = 0; i < round % 5 && buffer_left(&buffer); i++, out++) {
			cr_assert_eq(memcmp(buffer_front(&buffer), &out, sizeof out), 0);
			buffer_take(&buffer, sizeof out);
		}
	}
	cr_assert_eq(buffer_left(&buffer), (in - out) * sizeof in);
	cr_assert_lt(buffer.capacity, 4 * buffer_left(&buffer) + 1024);
	buffer_fini(&buffer);
}

Test(buffer, wipes_what_was_taken)
{
	struct buffer buffer = { 0 };

	cr_assert_eq(buffer_put(&buffer, secret, sizeof secret), 0);
	buffer_take(&buffer, sizeof secret);
	cr_assert_null(memmem(buffer.bytes, buffer.capacity, secret, 7));
	buffer_fini(&buffer);
}

Test(buffer, refuses_sizes_that_would_wrap)
{
	struct buffer buffer = { 0 };

	cr_assert_eq(buffer_reserve(&buffer, SIZE_MAX), -ENOMEM);
	cr_assert_eq(buffer_put(&buffer, "x", 1), 0);
	cr_assert_eq(buffer_reserve(&buffer, SIZE_MAX - 1), -ENOMEM);
	cr_assert_eq(buffer_left(&buffer), 1);
	buffer_fini(&buffer);
}
