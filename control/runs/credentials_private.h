/*
 * credentials_private.h - what is known of the credentials of a run; for credentials.c, credentials_put.c, confirm.c.
 */
#pragma once

#include "control/runs/credentials.h"
#include "control/runs/service.h"
#include "tasks/batch.h"

enum {
	CREDENTIALS_MAX = 16, /* accounts of a run */
	PUT_MAX = CREDENTIALS_MAX * DELIVERY_TARGETS_MAX,
	WAIT_MARGIN_S =
		2, /* the worker waits longer than we do: so it hears of the time-out from us */
};

enum stage {
	STAGE_MADE,      /* told by the compiler */
	STAGE_ASKED,     /* the batch ends before its Finish */
	STAGE_WAITING,   /* in the store, and the run waits */
	STAGE_CONFIRMED, /* the run may go on to its Finish */
	STAGE_FAILED,    /* it may not */
};

/* An account. */
struct credential {
	uint32_t ssid;
	uint16_t instance;
	uint16_t step; /* of the batch, that writes it; BATCH_STEPS_MAX: not known */
	struct buffer facts;
};

/* A message of one in the store. */
struct put_message {
	int64_t id;
	uint8_t credential;
	bool waited; /* somebody waits for its end */
	bool fails;  /* the run fails with it, or if the disk does not take it in time */
};

struct run_credentials {
	/* Among those that wait; NULL pprev: it does not. */
	struct run_credentials *next, **pprev;
	enum stage stage;
	uint32_t device;
	unsigned n;
	struct credential items[CREDENTIALS_MAX];
	unsigned n_put;
	struct put_message *put; /* PUT_MAX; NULL: none is in the store */
	/* While it waits. */
	struct session_event event;
	unsigned worker;
	unsigned n_waited; /* messages whose end is awaited */
	uint64_t until;    /* store_is_written() */
	uint64_t deadline_ms;
	bool too_many; /* or no memory: the run must not finish */
	uint8_t finishing[BATCH_STEPS_MAX /
			  8]; /* steps whose refusal leads to the Finish at once */
};

/* Takes it out of those that wait. */
void credentials_unlink(struct run_credentials *credentials);
/* The most that a target asks for of one of them, and how long that may take. */
enum delivery_confirm credentials_confirm(const struct service *service,
					  const struct run_credentials *credentials,
					  unsigned *timeout_s);
