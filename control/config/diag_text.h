/*
 * diag_text.h - diagnostics as lines for people and as JSON for machines.
 *
 * Pure. Control thread. Allocates.
 */
#pragma once

#include <jansson.h>

#include "control/text.h"
#include "tasks/diag.h"

/* One line a diagnostic, sorted by place; and how many more there were. */
void diag_text_put(struct diag_list *diags, struct text *text);
/* The same for machines, in their present order: a new reference. */
json_t *diag_text_json(const struct diag_list *diags);
