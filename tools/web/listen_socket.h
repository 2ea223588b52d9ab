/*
 * listen_socket.h - "ADDRESS:PORT" as a listening TCP socket.
 */
#pragma once

#include <stdbool.h>
#include <sys/socket.h>

/* Numbers only: names would need a resolver. False: it is no such text. */
bool listen_address_parse(const char *text, struct sockaddr_storage *address, socklen_t *len);
/* A non-blocking socket, both families where the address is "[::]". -errno. */
int listen_socket_open(const struct sockaddr_storage *address, socklen_t len);
