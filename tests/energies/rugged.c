/* An energy that is hard on differences, with right slopes: many minima, a kink, scales of 1e-6 and
 * 1e6 (far from 0 too), a wall, a jump, a sum of large parts. HALVED names a slope that is halved. */
#include <math.h>

#ifndef HALVED
#define HALVED (-1)
#endif

long thalweg_energy_features(void);
int thalweg_energy(const double* points, long count, long features, double* energies,
                   double* gradients, char* message, long message_size);

long thalweg_energy_features(void) { return 8; }

int thalweg_energy(const double* points, long count, long features, double* energies,
                   double* gradients, char* message, long message_size) {
  (void)message;
  (void)message_size;
  for (long i = 0; i < count; ++i) {
    const double* x = points + i * features;
    double* g = gradients + i * features;
    const double tau = 6.283185307179586, far = (x[4] - 1e9) / 1e6, small = x[2] / 1e-6;
    energies[i] = x[0] * x[0] / 18 + 3 * (1 - cos(tau * x[0])) + fabs(x[1]) + small * small / 2 +
                  x[3] * x[3] / 2e12 + far * far / 2 + (x[5] > 0 ? x[5] : INFINITY) +
                  x[6] * x[6] / 2 + (x[6] > 0.5 ? 4 : 0) + (1e6 + x[7] * x[7] / 2) - 1e6 +
                  x[6] * x[7] / 4;
    g[0] = x[0] / 9 + 3 * tau * sin(tau * x[0]);
    g[1] = x[1] > 0 ? 1 : -1;
    g[2] = x[2] / 1e-12;
    g[3] = x[3] / 1e12;
    g[4] = far / 1e6;
    g[5] = 1;
    g[6] = x[6] + x[7] / 4;
    g[7] = x[7] + x[6] / 4;
    if (HALVED >= 0) g[HALVED < 0 ? 0 : HALVED] /= 2;
  }
  return 0;
}
