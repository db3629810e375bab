/* rugged.c with a slope that is halved. */
#define HALVED 2
#include "rugged.c"
