/*
 * mask_template.h - the text of a template whose value is a secret, for a person.
 *
 * What is computed shows where a key comes from and is no secret; literal text in and around it may
 * be the key itself, or one that keys are derived from. Pure.
 */
#pragma once

#include "control/text.h"

/* "${sv.psk}" as it is, "${sv.id.hmacSHA256('********')}", "********". */
void mask_template(struct text *out, const char *template);
