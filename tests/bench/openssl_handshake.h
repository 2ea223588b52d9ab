/*
 * openssl_handshake.h - what a DTLS-PSK handshake costs an OpenSSL server, for bench_dtls.
 *
 * TLS_PSK_WITH_AES_128_CCM_8 with cookie exchange, in memory. One thread. Allocates; ends the
 * program when OpenSSL cannot.
 */
#pragma once

/* Microseconds of the server's calls in one handshake. The first call prepares. */
double openssl_handshake_us(double (*now_us)(void));
