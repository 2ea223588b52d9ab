/*
 * plot.h - a run as a picture: throughput, latency and devices at work over time.
 *
 * gnuplot draws it (Debian: gnuplot-nox), an SVG file, or a page with the report's text around it
 * where the file is named .html. The generator does without gnuplot until it is asked for a picture.
 */
#pragma once

#include "tools/storm/report.h"

enum { PLOT_ERROR_MAX = 256 };

/* Whether a file of this name can be drawn: it ends in .svg or .html. */
bool plot_names_picture(const char *file);
/* Before a run: whether gnuplot is there. -1 and a sentence with the remedy. */
int plot_ready(char error[PLOT_ERROR_MAX]) __attribute__((warn_unused_result));
/* After it. -1 and a sentence. */
int plot_write(const struct report *report, const char *file, char error[PLOT_ERROR_MAX])
	__attribute__((warn_unused_result));
