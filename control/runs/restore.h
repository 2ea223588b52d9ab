/*
 * restore.h - at the start, what is in the store becomes the inventory, its reports and the unknown
 * devices again.
 *
 * Control thread. Allocates.
 */
#pragma once

struct service;

/* With generation and store open: loads all of it and begins the store's thread. 0, or -1 after
 * logging why. */
int restore_all(struct service *service);
