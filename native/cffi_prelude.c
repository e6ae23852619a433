#include <stdint.h>

#include "flame_sampler.h"
