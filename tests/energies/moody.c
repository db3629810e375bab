/* An energy that fails in every way there is, by its point's first number: fails above 10, NaN
 * above 5, a slope that is NaN below -5, +infinity at 4, slopes forgotten at 3; else x^2 / 2
 * summed. */
#include <math.h>
#include <stdio.h>

int thalweg_energy(const double* points, long count, long features, double* energies,
                   double* gradients, char* message, long message_size) {
  for (long i = 0; i < count; ++i) {
    const double* x = points + i * features;
    if (x[0] > 10) {
      snprintf(message, (unsigned long)message_size, "%g is too far", x[0]);
      return 7;
    }
    energies[i] = 0;
    for (long f = 0; f < features; ++f) {
      energies[i] += 0.5 * x[f] * x[f];
      if (x[0] != 3) gradients[i * features + f] = x[f];
    }
    if (x[0] < -5) gradients[i * features] = NAN;
    if (x[0] == 4) energies[i] = INFINITY;
    if (x[0] > 5) energies[i] = NAN;
  }
  return 0;
}
