/* rugged.c with a slope that is halved. */
#define HALVED 0
#include "rugged.c"
