/*
 * trust_publish.h - the generation's trust, put where helper threads and workers find it.
 *
 * Control thread. Allocates.
 */
#pragma once

struct service;

/* What the generation trusts is what counts from the next handshake on. 0 or -ENOMEM: workers keep
 * what they had. */
int trust_publish(struct service *service);
/* Limits and abilities, where only settings changed. */
int trust_publish_limits(struct service *service);
