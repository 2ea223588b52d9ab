/* conf_edit_internal.h - between the scanner (conf_scan.c) and the editor (conf_edit.c). */
#pragma once

#include "control/config/conf_edit.h"

/* Makes edit->root of edit->text. 0, -EINVAL or -ENOMEM. */
int conf_scan(struct conf_edit *edit) __attribute__((warn_unused_result));
