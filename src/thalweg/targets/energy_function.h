/* What a shared library with an energy of your own has to offer; plain C.
 *
 * Compile it as `cc -O2 -shared -fPIC my_energy.c -lm -o my_energy.so` and name it in a config
 * file, as `energy_library = "./my_energy.so"`. This header need not be included, but lets the
 * compiler check the signatures. */
#ifndef THALWEG_TARGETS_ENERGY_FUNCTION_H
#define THALWEG_TARGETS_ENERGY_FUNCTION_H

#ifdef __cplusplus
extern "C" {
#endif

/* Energies in kT, and their slopes, at `count` points of `features` numbers each.
 *
 * points     count x features, point by point, all finite; not to be changed
 * energies   count, to be filled. +infinity is a density of 0; NaN and -infinity are errors
 * gradients  count x features, to be filled: the derivative of each energy by each number of its
 *            point. Where the energy is finite, so must they be
 * message    room for message_size characters, in case of a failure: what went wrong, ended by a 0
 *
 * Returns 0, or another number to stop the run with `message`.
 *
 * Several threads call it at once, some hundred points at a time: it must not write to variables
 * that they share. It must depend on the points alone, else a run does not repeat. Subnormal
 * numbers may be taken for 0. */
int thalweg_energy(const double* points, long count, long features, double* energies,
                   double* gradients, char* message, long message_size);

/* Optional: how many numbers a point has. Without it, the config says so, as `energy_features = 2`.
 */
long thalweg_energy_features(void);

#ifdef __cplusplus
}
#endif

#endif
