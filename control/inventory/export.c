#include "control/inventory/export.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/inventory/setting_values.h"

enum {
	EXPORT_BUFFER = 1 << 16,
	FIXED_COLUMNS = 9,
};

/* A column of a setting value. Names sort it. */
struct value_column {
	char name[SETTING_NAME_MAX + 1];
	uint8_t len;
	bool secret;
};

struct export
{
	int fd, failed;
	enum import_format format;
	bool secrets, begun;
	int (*write)(void *ctx, const void *bytes, size_t len); /* NULL: to `fd` */
	void *ctx;

	/* CSV: what the devices have. */
	bool identity, identity_hex, key, key_hex, domain, groups, nosec, hidden;
	struct value_column *columns;
	unsigned n_columns, capacity;

	size_t len;
	char buffer[EXPORT_BUFFER];
};

struct export *
export_new(int fd, enum import_format format, bool secrets)
{
	struct export *export = calloc(1, sizeof *export);

	if (!export)
		return NULL;
	export->fd = fd;
	export->format = format;
	export->secrets = secrets;
	return export;
}

void
export_free(struct export *export)
{
	if (!export)
		return;
	free(export->columns);
	explicit_bzero(export, sizeof *export);
	free(export);
}

void
export_write_to(struct export *export, int (*write_bytes)(void *ctx, const void *bytes, size_t len),
		void *ctx)
{
	export->write = write_bytes;
	export->ctx = ctx;
}

/* --- out --- */

static void
flush(struct export *export)
{
	size_t sent = 0;

	if (export->write && !export->failed)
		export->failed = export->write(export->ctx, export->buffer, export->len);
	while (!export->write && sent < export->len && !export->failed) {
		ssize_t n = write(export->fd, export->buffer + sent, export->len - sent);

		if (n < 0 && errno != EINTR)
			export->failed = -errno;
		sent += n > 0 ? (size_t)n : 0;
	}
	export->len = 0;
}

static void
put(struct export *export, const char *bytes, size_t len)
{
	while (len && !export->failed) {
		size_t room = sizeof export->buffer - export->len;
		size_t n = len < room ? len : room;

		assert(export->len < sizeof export->buffer);
		memcpy(export->buffer + export->len, bytes, n);
		export->len += n;
		bytes += n;
		len -= n;
		if (export->len == sizeof export->buffer)
			flush(export);
	}
}

static void
put_text(struct export *export, const char *text)
{
	put(export, text, strlen(text));
}

static void
put_char(struct export *export, char c)
{
	put(export, &c, 1);
}

static void
put_hex(struct export *export, const void *bytes, size_t len)
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t *at = bytes;

	for (size_t i = 0; i < len; i++) {
		put_char(export, digits[at[i] >> 4]);
		put_char(export, digits[at[i] & 15]);
	}
}

/* An identity of its own that text can hold, or not. */
static bool
has_identity(const struct device_spec *device, bool text)
{
	return device_spec_has_identity(device) && device_spec_identity_is_text(device) == text;
}

static bool
has_text(const char *text)
{
	return text && *text;
}

/* --- CSV --- */

static int
compare(const struct value_column *column, const struct setting_value *value)
{
	size_t len = column->len < value->name_len ? column->len : value->name_len;
	int order = memcmp(column->name, value->name, len);

	if (!order)
		order = (int)column->len - (int)value->name_len;
	return order ? order : (int)column->secret - (int)value->secret;
}

/* Where the column of this value is, or where it belongs. */
static unsigned
find_column(const struct export *export, const struct setting_value *value)
{
	unsigned low = 0, high = export->n_columns;

	while (low < high) {
		unsigned middle = (low + high) / 2;

		if (compare(&export->columns[middle], value) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* A name that is secret on some devices alone has two columns. */
static int
see_value(struct export *export, const struct setting_value *value)
{
	unsigned at = find_column(export, value);
	struct value_column *column;

	if (at < export->n_columns && compare(&export->columns[at], value) == 0)
		return 0;
	if (export->n_columns >= IMPORT_COLUMNS_MAX - FIXED_COLUMNS)
		return -E2BIG;
	if (export->n_columns == export->capacity) {
		unsigned capacity = export->capacity ? export->capacity * 2 : 16;

		column = realloc(export->columns, capacity * sizeof *column);
		if (!column)
			return -ENOMEM;
		export->columns = column;
		export->capacity = capacity;
	}
	assert(at <= export->n_columns && export->n_columns < export->capacity);
	column = &export->columns[at];
	memmove(column + 1, column, (export->n_columns++ - at) * sizeof *column);
	*column = (struct value_column){ .len = value->name_len, .secret = value->secret };
	memcpy(column->name, value->name, value->name_len);
	return 0;
}

int
export_see(struct export *export, const struct device_spec *device)
{
	struct setting_value value = { 0 };
	int failed = 0;

	if (export->format != IMPORT_CSV)
		return 0;
	export->identity |= has_identity(device, true);
	export->identity_hex |= has_identity(device, false);
	export->key |= device->key_len && !device_spec_key_is_hex(device);
	export->key_hex |= device->key_len && device_spec_key_is_hex(device);
	export->domain |= has_text(device->domain);
	export->groups |= has_text(device->groups);
	export->nosec |= device->nosec;
	while (!failed && setting_values_next(device->values, &value)) {
		failed = see_value(export, &value);
		export->hidden |= value.secret && !export->secrets;
	}
	export->hidden |= device->key_len && !export->secrets;
	return failed;
}

/* In quotes where RFC 4180 wants them, and where blanks or nothing at all must not get lost. */
static void
put_cell(struct export *export, const char *text, size_t len)
{
	bool quotes = !len || text[0] == ' ' || text[len - 1] == ' ' || memchr(text, ',', len) ||
		      memchr(text, '"', len) || memchr(text, '\n', len) || memchr(text, '\r', len);
	const char *end = text + len;

	if (!quotes) {
		put(export, text, len);
		return;
	}
	put_char(export, '"');
	while (text < end) {
		const char *quote = memchr(text, '"', (size_t)(end - text));
		size_t n = quote ? (size_t)(quote - text) + 1 : (size_t)(end - text);

		put(export, text, n);
		if (quote)
			put_char(export, '"');
		text += n;
	}
	put_char(export, '"');
}

static void
put_header(struct export *export)
{
	put_text(export, "endpoint");
	if (export->identity)
		put_text(export, ",identity");
	if (export->identity_hex)
		put_text(export, ",identity_hex");
	if (export->secrets && export->key)
		put_text(export, ",key");
	if (export->secrets && export->key_hex)
		put_text(export, ",key_hex");
	if (export->hidden)
		put_text(export, ",key.left_out");
	if (export->domain)
		put_text(export, ",domain");
	if (export->groups)
		put_text(export, ",groups");
	if (export->nosec)
		put_text(export, ",nosec");
	for (unsigned i = 0; i < export->n_columns; i++) {
		const struct value_column *column = &export->columns[i];
		char name[sizeof column->name + 8];
		const char *prefix = column->secret ? "secret." : "value.";

		put_char(export, ',');
		memcpy(name, prefix, strlen(prefix));
		memcpy(name + strlen(prefix), column->name, column->len);
		put_cell(export, name, strlen(prefix) + column->len);
	}
	put_text(export, "\r\n");
}

static void
put_csv_key(struct export *export, const struct device_spec *device)
{
	bool hex = device_spec_key_is_hex(device);

	if (export->secrets && export->key) {
		put_char(export, ',');
		if (device->key_len && !hex)
			put_cell(export, (const char *)device->key, device->key_len);
	}
	if (export->secrets && export->key_hex) {
		put_char(export, ',');
		if (hex)
			put_hex(export, device->key, device->key_len);
	}
	if (export->hidden)
		put_text(export, device->key_len ? ",yes" : ",");
}

/* One cell: names with ';' between. */
static void
put_csv_groups(struct export *export, const char *groups)
{
	bool quotes = strpbrk(groups, "\"\r\n") != NULL;

	if (quotes)
		put_char(export, '"');
	for (; *groups; groups++) {
		if (*groups == '"')
			put_char(export, '"');
		put_char(export, *groups == ',' ? ';' : *groups);
	}
	if (quotes)
		put_char(export, '"');
}

static void
put_csv(struct export *export, const struct device_spec *device)
{
	struct setting_value value;

	put_cell(export, device->endpoint, strlen(device->endpoint));
	if (export->identity) {
		put_char(export, ',');
		if (has_identity(device, true))
			put_cell(export, device->identity, device_spec_identity_len(device));
	}
	if (export->identity_hex) {
		put_char(export, ',');
		if (has_identity(device, false))
			put_hex(export, device->identity, device_spec_identity_len(device));
	}
	put_csv_key(export, device);
	if (export->domain) {
		put_char(export, ',');
		if (has_text(device->domain))
			put_cell(export, device->domain, strlen(device->domain));
	}
	if (export->groups) {
		put_char(export, ',');
		if (has_text(device->groups))
			put_csv_groups(export, device->groups);
	}
	if (export->nosec)
		put_text(export, device->nosec ? ",yes" : ",");
	for (unsigned i = 0; i < export->n_columns; i++) {
		const struct value_column *column = &export->columns[i];

		put_char(export, ',');
		if (!setting_values_find(device->values, column->name, column->len, &value) ||
		    value.secret != column->secret)
			continue;
		if (column->secret && !export->secrets)
			put_text(export, "***");
		else
			put_cell(export, value.text, value.text_len);
	}
	put_text(export, "\r\n");
}

/* --- JSON lines --- */

/* RFC 8259 7. */
static void
put_string(struct export *export, const char *text, size_t len)
{
	static const char digits[] = "0123456789abcdef";
	size_t from = 0;

	put_char(export, '"');
	for (size_t i = 0; i < len; i++) {
		uint8_t c = (uint8_t)text[i];
		char escape[] = { '\\', 'u', '0', '0', digits[c >> 4], digits[c & 15] };

		if (c >= 0x20 && c != '"' && c != '\\' && c != 0x7f)
			continue;
		put(export, text + from, i - from);
		put(export, escape, sizeof escape);
		from = i + 1;
	}
	put(export, text + from, len - from);
	put_char(export, '"');
}

static void
put_member(struct export *export, const char *name, const char *text, size_t len)
{
	put_text(export, name);
	put_string(export, text, len);
}

static void
put_json_key(struct export *export, const struct device_spec *device)
{
	if (!device->key_len)
		return;
	if (!export->secrets) {
		put_text(export, ",\"key_left_out\":true");
	} else if (device_spec_key_is_hex(device)) {
		put_text(export, ",\"key_hex\":\"");
		put_hex(export, device->key, device->key_len);
		put_char(export, '"');
	} else {
		put_member(export, ",\"key\":", (const char *)device->key, device->key_len);
	}
}

static void
put_json_groups(struct export *export, const char *groups)
{
	put_text(export, ",\"groups\":[");
	for (bool first = true; *groups; first = false) {
		size_t len = strcspn(groups, ",");

		put_member(export, first ? "" : ",", groups, len);
		groups += groups[len] ? len + 1 : len;
	}
	put_char(export, ']');
}

static void
put_json_values(struct export *export, const uint8_t *values)
{
	struct setting_value value = { 0 };
	const char *before = ",\"values\":{";

	while (setting_values_next(values, &value)) {
		put_member(export, before, value.name, value.name_len);
		if (!value.secret) {
			put_member(export, ":", value.text, value.text_len);
		} else if (export->secrets) {
			put_member(export, ":{\"value\":", value.text, value.text_len);
			put_text(export, ",\"secret\":true}");
		} else {
			put_text(export, ":{\"secret\":true,\"left_out\":true}");
		}
		before = ",";
	}
	if (*before == ',' && !before[1])
		put_char(export, '}');
}

static void
put_json(struct export *export, const struct device_spec *device)
{
	put_member(export, "{\"endpoint\":", device->endpoint, strlen(device->endpoint));
	if (has_identity(device, true))
		put_member(export, ",\"identity\":", device->identity,
			   device_spec_identity_len(device));
	if (has_identity(device, false)) {
		put_text(export, ",\"identity_hex\":\"");
		put_hex(export, device->identity, device_spec_identity_len(device));
		put_char(export, '"');
	}
	put_json_key(export, device);
	if (has_text(device->domain))
		put_member(export, ",\"domain\":", device->domain, strlen(device->domain));
	if (has_text(device->groups))
		put_json_groups(export, device->groups);
	if (device->nosec)
		put_text(export, ",\"nosec\":true");
	put_json_values(export, device->values);
	put_text(export, "}\n");
}

/* --- both --- */

static void
begin(struct export *export)
{
	if (!export->begun && export->format == IMPORT_CSV)
		put_header(export);
	export->begun = true;
}

int
export_put(struct export *export, const struct device_spec *device)
{
	begin(export);
	if (export->format == IMPORT_CSV)
		put_csv(export, device);
	else
		put_json(export, device);
	return export->failed;
}

int
export_finish(struct export *export)
{
	begin(export);
	flush(export);
	return export->failed;
}
