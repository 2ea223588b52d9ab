/*
 * trust_publish.h - the generation's trust, put where helper threads and workers find it.
 *
 * Control thread. Allocates.
 */
#pragma once

struct generation;
struct service;

/* Where files of trust are as they were, handshakes in flight go on. Before it is the service's. */
void trust_go_on(const struct generation *generation, const struct generation *former);

/* What the generation trusts is what counts from the next handshake on. 0 or -ENOMEM: workers keep
 * what they had. */
int trust_publish(struct service *service);
/* Limits and abilities, where only settings changed. */
int trust_publish_limits(struct service *service);
