/*
 * appliance.h - the running appliance, as this program reaches it: commands over the control socket, never waited for.
 *
 * One connection, made when it is needed and kept; commands go out at once and are answered in order. An appliance that is
 * absent, slow or talks garbage fails what is asked within the time-out, and the next question connects anew.
 * One thread, the loop's. Allocates.
 */
#pragma once

#include <stdint.h>

#include <jansson.h>

#include "control/loop.h"

struct appliance;

/*
 * `answer` is borrowed: exit, text, error, result (ctl_proto.h). NULL: there is none, and `why` is a sentence. Further
 * commands may be asked from here.
 */
typedef void appliance_done(void *ctx, const json_t *answer, const char *why);

/* `socket` is borrowed. NULL: out of memory. */
struct appliance *appliance_new(struct loop *loop, const char *socket, uint32_t timeout_ms);
/* Fails what is asked. */
void appliance_free(struct appliance *appliance);

/*
 * Asks for a command's result. 0, and `done` is called later; or it never is: -errno of the connection, -EAGAIN: too much
 * is asked already.
 */
int appliance_ask(struct appliance *appliance, const char *const *argv, int argc,
		  appliance_done *done, void *ctx) __attribute__((warn_unused_result));

/* From the program's tick: fails what took too long. */
void appliance_tick(struct appliance *appliance, uint64_t now_ms);
