/*
 * export.h - writes devices as CSV or JSON lines, which import.h reads.
 *
 * CSV has to name its columns first, so every device is shown to export_see() before the first is
 * written; for JSON lines that is needless and costs nothing.
 *
 * Without `secrets`, keys and secret values are left out, and what is written says so, that nobody
 * takes it for a copy: CSV has a column key.left_out ("yes" where a device has a key) and shows
 * secret values as "***"; JSON lines has "key_left_out":true and {"secret":true,"left_out":true}. An
 * import refuses both.
 *
 * Owner: the caller. One thread. Allocates; writes block as the descriptor does: give a regular
 * file. What was buffered is wiped.
 */
#pragma once

#include <stdbool.h>

#include "control/inventory/device_spec.h"
#include "control/inventory/import.h"

struct export;

/* NULL: out of memory. The descriptor stays the caller's. */
struct export *export_new(int fd, enum import_format format, bool secrets);
void export_free(struct export *export);
/* What is written goes there instead of to the descriptor: 0 or -errno, which stays. Before the first device. */
void export_write_to(struct export *export, int (*write)(void *ctx, const void *bytes, size_t len),
		     void *ctx);

/* First pass: notes which columns there must be. 0; -E2BIG: more than IMPORT_COLUMNS_MAX, so write
 * JSON lines; -ENOMEM. */
int export_see(struct export *export, const struct device_spec *device)
	__attribute__((warn_unused_result));
/* Second pass: one device. 0 or -errno of the write, which stays. */
int export_put(struct export *export, const struct device_spec *device);
/* What is still buffered; the header of an export without devices, too. 0 or -errno. */
int export_finish(struct export *export) __attribute__((warn_unused_result));
