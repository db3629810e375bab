// What moves atoms: energies and forces of many configurations at once.
#pragma once

#include <cstdint>

namespace thalweg {

/// An energy of configurations of coordinates() numbers, in any units that belong together.
class Potential {
 public:
  virtual ~Potential() = default;
  virtual std::int64_t coordinates() const = 0;
  /// Energies and forces, minus the derivatives, of `count` configurations: coordinate c of
  /// configuration i is x[c count + i], and so are its forces. A configuration's results depend
  /// neither on the others nor on its place. NaN and infinities may come in and out. Several
  /// threads call it at once.
  virtual void evaluate(const double* x, std::int64_t count, double* energies,
                        double* forces) const = 0;
  /// How many configurations at once suit it best, a multiple of 16.
  virtual std::int64_t block() const { return 16; }
};

}  // namespace thalweg
