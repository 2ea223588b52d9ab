/*
 * secured_forward.h - datagrams of associations that another member of the cluster has: from one to the other.
 *
 * Routes change while a device bootstraps, or its address does, and its records arrive where nobody knows it. Their
 * connection id says who does (dtls_members.h). That member gets the datagram as it came, behind
 *
 *	 0    1         2        4        11       12         13   14     16        32     48
 *	+----+---------+--------+--------+--------+----------+----+------+---------+------+
 *	| 25 | version | sender | 0      | worker | listener | 0  | port | address | tag  | datagram
 *	+----+---------+--------+--------+--------+----------+----+------+---------+------+
 *
 * where address and port are the device's and the tag is HMAC-SHA-256, cut, of all else under a key of all members. First
 * byte and worker stand where those of a record with a connection id stand, so that the worker who has the association gets
 * it (dtls_named_worker()).
 *
 * It leaves through the router that brought it, and so needs no address resolution. The owner answers the device itself, by
 * the way on which it heard of it last: members have the listeners' addresses in common. So one datagram in is one datagram
 * out, to a member that was configured and 48 bytes longer; what was forwarded is never forwarded again; and a copy is found
 * by the association's own window.
 *
 * Owner: the stack. One thread. Nothing allocated.
 */
#pragma once

#include "dataplane/core/secured/secured_internal.h"

enum {
	FORWARD_HEADER = 48,
	FORWARD_TAG = 16,
	FORWARD_VERSION = 1,
};

/* Whether the id of this record, which is of no association here, is of another member: then it was counted, and the datagram
 * is on its way there, where that is known. */
bool forward_foreign(struct stack *stack, struct arrival *arrival);
/* A datagram that another member sent: true: `in` is now as if the device had sent it here, and its hash is set. */
bool forward_take(struct stack *stack, struct dgram_in *in, uint64_t *hash);
