/* An energy of one's own in C: the Mueller-Brown potential (Theoretica Chimica Acta 53, 1979),
 * three wells in the plane, times 0.05 so that it is in kT with barriers of a few kT.
 *
 *   cc -O2 -shared -fPIC wells.c -lm -o wells.so
 *   thalweg train wells.toml
 *
 * With the header at hand (-I PREFIX/include) the compiler checks the signatures. */
#include <math.h>
#if defined(__has_include)
#if __has_include(<thalweg/targets/energy_function.h>)
#include <thalweg/targets/energy_function.h>
#endif
#endif

long thalweg_energy_features(void) { return 2; }

int thalweg_energy(const double* points, long count, long features, double* energies,
                   double* gradients, char* message, long message_size) {
  static const double height[4] = {-200, -100, -170, 15}, x0[4] = {1, 0, -0.5, -1};
  static const double y0[4] = {0, 0.5, 1.5, 1}, xx[4] = {-1, -1, -6.5, 0.7};
  static const double xy[4] = {0, 0, 11, 0.6}, yy[4] = {-10, -10, -6.5, 0.7};
  const double scale = 0.05;
  (void)message; /* Nothing can go wrong here. */
  (void)message_size;
  for (long i = 0; i < count; ++i) {
    double energy = 0, by_x = 0, by_y = 0;
    for (int k = 0; k < 4; ++k) {
      const double x = points[i * features] - x0[k], y = points[i * features + 1] - y0[k];
      const double term = scale * height[k] * exp(xx[k] * x * x + xy[k] * x * y + yy[k] * y * y);
      energy += term;
      by_x += term * (2 * xx[k] * x + xy[k] * y);
      by_y += term * (xy[k] * x + 2 * yy[k] * y);
    }
    energies[i] = energy;
    gradients[i * features] = by_x;
    gradients[i * features + 1] = by_y;
  }
  return 0;
}
