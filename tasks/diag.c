#include "tasks/diag.h"
