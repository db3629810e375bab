/* An energy of ten columns that costs about what a cheap one of a user's does: a funnel's worth of
 * exp and log in each. */
#include <math.h>

long thalweg_energy_features(void);
int thalweg_energy(const double* points, long count, long features, double* energies,
                   double* gradients, char* message, long message_size);

long thalweg_energy_features(void) { return 10; }

int thalweg_energy(const double* points, long count, long features, double* energies,
                   double* gradients, char* message, long message_size) {
  (void)message;
  (void)message_size;
  for (long i = 0; i < count; ++i) {
    const double* x = points + i * features;
    double* g = gradients + i * features;
    double energy = 0;
    for (long f = 0; f < features; ++f) {
      const double grown = exp(0.3 * x[f]), square = x[f] * x[f];
      energy += 0.5 * square + log(1 + grown);
      g[f] = x[f] + 0.3 * grown / (1 + grown);
    }
    energies[i] = energy;
  }
  return 0;
}
