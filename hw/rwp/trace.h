#include "trace/trace-hw_rwp.h"
