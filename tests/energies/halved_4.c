/* rugged.c with a slope that is halved. */
#define HALVED 4
#include "rugged.c"
