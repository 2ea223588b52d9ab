/*
 * reload.h - the transaction: new files become live as a whole, or nothing changes and every
 * reason is told.
 *
 * Control thread; takes as long as reading and compiling takes, while workers go on. Sessions in
 * flight finish on the generation they began with.
 */
#pragma once

#include <jansson.h>

#include "control/daemon.h"
#include "control/text.h"

/*
 * 0 and what changed; or -EINVAL, every diagnostic and "still running generation N". *result: a
 * new reference.
 */
int reload_run(struct daemon *daemon, struct text *text, json_t **result);

/*
 * The same checks without publishing, without a daemon. 0 or -EINVAL; every diagnostic either
 * way.
 */
int reload_check(const char *file, struct text *text, json_t **result);

/* One line a diagnostic, and the same for machines (a new reference). */
void reload_put_diags(struct diag_list *diags, struct text *text);
json_t *reload_json_diags(const struct diag_list *diags);

/* Publishes a built generation and retires the present one, if any. */
void reload_publish(struct daemon *daemon, struct generation *generation);
