#include "control/ctl_proto.h"
