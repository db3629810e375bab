/* rugged.c with a slope that is halved. */
#define HALVED 7
#include "rugged.c"
