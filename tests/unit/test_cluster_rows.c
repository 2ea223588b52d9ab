/* Devices as rows of the shared database: a tuple that goes in, and what comes out of a row, good and bad. */
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <string.h>

#include <criterion/criterion.h>

#include "control/cluster/cluster_routes.h"
#include "control/cluster/cluster_rows.h"
#include "control/inventory/setting_values.h"

enum { MAX_COLUMNS = CLUSTER_COLUMNS + 1 };

static struct sealer *
sealer_with(uint8_t first)
{
	struct keyring keyring = { .n = 1 };

	memset(keyring.keks[0].key, first, KEK_LEN);
	memset(keyring.keks[0].id, first, KEK_ID_LEN);
	return sealer_new(&keyring);
}

/* One row of a result of our own making, from a tuple as COPY takes it. */
static PGresult *
row_of(const struct buffer *tuple)
{
	PGresult *result = PQmakeEmptyPGresult(NULL, PGRES_SINGLE_TUPLE);
	PGresAttDesc columns[MAX_COLUMNS];
	const uint8_t *at = buffer_front(tuple);
	uint16_t n;

	memset(columns, 0, sizeof columns);
	for (unsigned i = 0; i < MAX_COLUMNS; i++) {
		columns[i].name = (char *)"column";
		columns[i].format = 1;
	}
	cr_assert(PQsetResultAttrs(result, MAX_COLUMNS, columns));
	memcpy(&n, at, sizeof n);
	cr_assert_eq(ntohs(n), MAX_COLUMNS);
	at += sizeof n;
	for (int i = 0; i < MAX_COLUMNS; i++) {
		uint32_t len;

		memcpy(&len, at, sizeof len);
		len = ntohl(len);
		at += sizeof len;
		cr_assert(PQsetvalue(result, 0, i, len == UINT32_MAX ? NULL : (char *)(uintptr_t)at,
				     len == UINT32_MAX ? -1 : (int)len));
		at += len == UINT32_MAX ? 0 : len;
	}
	cr_assert_eq(at, buffer_front(tuple) + buffer_left(tuple), "nothing behind it");
	return result;
}

static void
set(PGresult *result, int column, const void *bytes, int len)
{
	cr_assert(PQsetvalue(result, 0, column, (char *)(uintptr_t)bytes, len));
}

struct fixture {
	struct device_spec spec;
	uint8_t *values;
	struct buffer tuple;
	struct records rows;
	char error[CLUSTER_ERROR_MAX];
};

static void
begin(struct fixture *f)
{
	*f = (struct fixture){ .spec = { .endpoint = "urn:dev:1",
					 .identity = "id\0x",
					 .identity_len = 4,
					 .key_len = 6,
					 .key_is_hex = true,
					 .nosec = true,
					 .domain = "north",
					 .groups = "root.a,root.b",
					 .created_ms = 1234567 } };
	memcpy(f->spec.key, "secret", 6);
	cr_assert_eq(setting_values_set(&f->values, &(struct setting_value){ .name = "site",
									     .name_len = 4,
									     .text = "top",
									     .text_len = 3 }),
		     0);
	f->spec.values = f->values;
}

static void
end(struct fixture *f)
{
	setting_values_free(f->values);
	buffer_fini(&f->tuple);
	records_clear(&f->rows);
}

static const struct cluster_row *
take(struct fixture *f, struct sealer *sealer)
{
	struct records_at at = { 0 };
	PGresult *result = row_of(&f->tuple);

	cr_assert_eq(cluster_rows_take(&f->rows, sealer, result, 7, f->error), 0, "%s", f->error);
	PQclear(result);
	return records_next(&f->rows, &at);
}

static void
expect_same(const struct fixture *f, const struct cluster_row *row)
{
	struct device_spec spec;

	cluster_row_spec(row, &spec);
	cr_expect_str_eq(spec.endpoint, f->spec.endpoint);
	cr_expect_str_eq(spec.groups, f->spec.groups);
	cr_expect(device_spec_same(&spec, &f->spec));
	cr_expect_eq(spec.created_ms, f->spec.created_ms);
	cr_expect_eq(row->txn, 7u);
	cr_expect_not(row->dead);
}

Test(cluster_rows, a_plain_device_comes_out_as_it_went_in)
{
	struct fixture f;

	begin(&f);
	cr_assert_eq(cluster_rows_put(&f.tuple, NULL, 5, f.spec.endpoint, &f.spec), 0);
	cr_expect_not_null(memmem(f.tuple.bytes, f.tuple.len, "secret", 6), "README says so");
	expect_same(&f, take(&f, NULL));
	end(&f);
}

Test(cluster_rows, a_sealed_device_comes_out_and_shows_no_secret_on_its_way)
{
	struct sealer *sealer = sealer_with(0x41), *other_member = sealer_with(0x41);
	struct fixture f;

	begin(&f);
	cr_assert_eq(cluster_rows_put(&f.tuple, sealer, 5, f.spec.endpoint, &f.spec), 0);
	cr_expect_null(memmem(f.tuple.bytes, f.tuple.len, "secret", 6));
	cr_expect_null(memmem(f.tuple.bytes, f.tuple.len, "top", 3));
	expect_same(&f, take(&f, other_member));
	end(&f);
	sealer_free(sealer);
	sealer_free(other_member);
}

Test(cluster_rows, a_device_without_anything_has_nothing)
{
	struct device_spec spec;
	struct fixture f;

	begin(&f);
	f.spec = (struct device_spec){ .endpoint = "urn:dev:2" };
	cr_assert_eq(cluster_rows_put(&f.tuple, NULL, 5, f.spec.endpoint, &f.spec), 0);
	cluster_row_spec(take(&f, NULL), &spec);
	cr_expect_null(spec.identity);
	cr_expect_null(spec.domain);
	cr_expect_null(spec.values);
	cr_expect_eq(spec.key_len, 0);
	cr_expect_str_eq(spec.groups, "");
	end(&f);
}

Test(cluster_rows, a_removed_device_leaves_its_name_alone)
{
	const struct cluster_row *row;
	struct device_spec spec;
	struct fixture f;

	begin(&f);
	cr_assert_eq(cluster_rows_put(&f.tuple, NULL, 5, "urn:dev:1", NULL), 0);
	row = take(&f, NULL);
	cr_expect(row->dead);
	cluster_row_spec(row, &spec);
	cr_expect_str_eq(spec.endpoint, "urn:dev:1");
	cr_expect_eq(spec.key_len, 0);
	end(&f);
}

/* A key that somebody copies to the row of another device. */
Test(cluster_rows, a_key_of_another_row_does_not_open)
{
	struct sealer *sealer = sealer_with(0x41);
	struct fixture f;
	PGresult *result;

	begin(&f);
	cr_assert_eq(cluster_rows_put(&f.tuple, sealer, 5, f.spec.endpoint, &f.spec), 0);
	result = row_of(&f.tuple);
	set(result, 0, "urn:dev:9", 9);
	cr_expect_eq(cluster_rows_take(&f.rows, sealer, result, 1, f.error), -EBADMSG);
	cr_expect_not_null(strstr(f.error, "urn:dev:9"));
	PQclear(result);
	end(&f);
	sealer_free(sealer);
}

Test(cluster_rows, a_row_under_another_key_is_said)
{
	struct sealer *sealer = sealer_with(0x41), *other = sealer_with(0x42);
	struct fixture f;
	PGresult *result;

	begin(&f);
	cr_assert_eq(cluster_rows_put(&f.tuple, sealer, 5, f.spec.endpoint, &f.spec), 0);
	result = row_of(&f.tuple);
	cr_expect_eq(cluster_rows_take(&f.rows, other, result, 1, f.error), -EBADMSG);
	cr_expect_not_null(strstr(f.error, "kek"));
	cr_expect_eq(cluster_rows_take(&f.rows, NULL, result, 1, f.error), -EBADMSG);
	cr_expect_not_null(strstr(f.error, "kek"));
	PQclear(result);
	end(&f);
	sealer_free(sealer);
	sealer_free(other);
}

/* Somebody else may write into the database, too. */
Test(cluster_rows, rows_that_are_damaged_are_said_with_their_name)
{
	static char too_long[70000];
	static const struct {
		int column, len;
		const char *bytes;
	} bad[] = {
		{ 0, 0, "" },         { 0, 300, too_long },   { 0, 6, "dev\0:1" },
		{ 2, 200, too_long }, { 3, 100, too_long },   { 5, 300, too_long },
		{ 5, 3, "a\0b" },     { 6, 20000, too_long }, { 7, 5, "abcde" },
		{ 7, 2, "ab" },
	};
	struct fixture f;

	memset(too_long, 'x', sizeof too_long);
	begin(&f);
	cr_assert_eq(cluster_rows_put(&f.tuple, NULL, 5, f.spec.endpoint, &f.spec), 0);
	for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		PGresult *result = row_of(&f.tuple);

		set(result, bad[i].column, bad[i].bytes, bad[i].len);
		cr_expect_eq(cluster_rows_take(&f.rows, NULL, result, 1, f.error), -EBADMSG, "%u",
			     i);
		if (bad[i].column)
			cr_expect_not_null(strstr(f.error, "urn:dev:1"), "%s", f.error);
		PQclear(result);
	}
	end(&f);
}

/* ---- where members take what others forward ---- */

Test(cluster_routes, what_is_written_is_read)
{
	static const uint8_t addresses[][16] = { { [10] = 0xff, 0xff, 192, 0, 2, 7 },
						 { 0x20, 0x01, 0x0d, 0xb8, [15] = 1 } };

	for (size_t i = 0; i < 2; i++) {
		char text[CLUSTER_ROUTE_TEXT_MAX];
		struct member_route route = { .member = 3 };

		cluster_route_format(addresses[i], 5685, text);
		cr_assert(cluster_route_parse(text, &route), "%s", text);
		cr_assert_arr_eq(route.addr, addresses[i], 16);
		cr_assert_eq(route.port, 5685);
		cr_assert_eq(route.member, 3);
	}
}

Test(cluster_routes, anything_else_is_none)
{
	static const char *const wrong[] = {
		"", "[", "[]", "[]:1", "192.0.2.1:5685", "[192.0.2.1]", "[192.0.2.1]:", "[192.0.2.1]:0",
		"[192.0.2.1]:65536", "[192.0.2.1]:1x", "[192.0.2.1]:-1", "[192.0.2.1]: 1", "[192.0.2.1/24]:1",
		"[224.0.0.1]:1", "[0.0.0.0]:1", "[::]:1", "[ff02::1]:1", "[x]:1",
		"[2001:db8:0000:0000:0000:0000:0000:0000000000000000000000000000000000000000000000000000001]:1",
	};
	struct member_route route;

	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
		cr_assert_not(cluster_route_parse(wrong[i], &route), "%s", wrong[i]);
}
