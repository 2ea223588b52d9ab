/*
 * version.h - which program this is.
 */
#pragma once

#define CRADLE_VERSION_TEXT "cradled " CRADLE_VERSION
