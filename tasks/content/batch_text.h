/*
 * batch_text.h - a step of a batch in one line, for people. Pure; allocates nothing.
 */
#pragma once

#include <stddef.h>

#include "tasks/batch.h"

/* "PUT /0/2 11542 98 bytes"; returns snprintf's count. Never shows payload. */
int batch_step_format(const struct batch_step *step, char *out, size_t size);
