/*
 * secret_name.h - whether a name says that its value is a secret: "password", "psk_hex", "apiKey". Pure.
 *
 * What is so named is masked wherever it is shown, without anybody's saying so.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

bool secret_name(const char *name, size_t len);
