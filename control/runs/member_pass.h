/*
 * member_pass.h - what a member of a cluster has for the database, as records from one process to the next (pass.h).
 *
 * That is: reports and devices that are not there yet, and what tells the next process which of what comes back from
 * there it knows (cluster/cluster_pass.h). Control thread. Allocates.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct record_reader;
struct record_writer;
struct service;

/* Bytes that suffice. */
size_t member_pass_size(const struct service *service);
/* Behind all devices. Nothing where the inventory is no cluster's. */
void member_pass_save(struct service *service, struct record_writer *writer);
/* The record that the reader is at, if it is such a one. False: it is malformed, or there is no memory. */
bool member_pass_load(struct service *service, struct record_reader *reader);
