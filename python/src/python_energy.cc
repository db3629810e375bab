#include "python_energy.h"

#include <nanobind/stl/string.h>

#include <algorithm>

#include "arrays.h"
#include "thalweg/engine/batch_function.h"
#include "thalweg/targets/outside_energy.h"

namespace thalweg::python {
namespace {

/// NumPy takes as long to start an operation as for hundreds of points.
class PythonEnergy : public BatchFunction {
 public:
  PythonEnergy(const nb::object& function, std::string name, bool defers_interrupts)
      : function_(nb::steal(PyWeakref_NewRef(function.ptr(), nullptr))),
        name_(std::move(name)),
        defers_interrupts_(defers_interrupts) {}

  ~PythonEnergy() override {
    // The last owner may be any thread, or the interpreter may be gone.
    if (!nb::is_alive()) {
      (void)function_.release();
      return;
    }
    const nb::gil_scoped_acquire lock;
    function_.reset();
  }
  PythonEnergy(const PythonEnergy&) = delete;
  PythonEnergy& operator=(const PythonEnergy&) = delete;

  void evaluate(const double* points, std::int64_t count, std::int64_t features, double* values,
                double* gradients) const override {
    const auto rows = static_cast<std::size_t>(count), columns = static_cast<std::size_t>(features);
    {
      const nb::gil_scoped_acquire lock;
      const nb::object result =
          call(array_of(std::vector<double>(points, points + rows * columns), {rows, columns}),
               gradients != nullptr);
      using Values = nb::ndarray<const double, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
      const auto energies = nb::cast<Values>(result[0]);
      std::copy_n(energies.data(), rows, values);
      if (gradients != nullptr) {
        const auto slopes = nb::cast<Rows>(result[1]);
        std::copy_n(slopes.data(), rows * columns, gradients);
      }
    }
    require_usable_energies("energy '" + name_ + "'", {points, rows * columns}, {values, rows},
                            {gradients, gradients == nullptr ? 0 : rows * columns});
  }

 private:
  /// With the lock.
  nb::object call(const nb::object& points, bool slopes) const {
    const nb::object function = function_();
    try {
      return function(points, slopes);
    } catch (const nb::python_error& error) {
      // Ctrl-C came while the main thread was in the function. The step is finished; whoever asks
      // for signals after it hears of it then.
      if (!defers_interrupts_ || !error.matches(PyExc_KeyboardInterrupt)) throw;
    }
    const nb::object result = function(points, slopes);
    PyErr_SetInterrupt();
    return result;
  }

  nb::object function_;  // a weak reference to it
  std::string name_;
  bool defers_interrupts_;
};

}  // namespace

std::shared_ptr<const OutsideFunction> python_energy(const nb::object& function,
                                                     const std::string& name,
                                                     bool defers_interrupts) {
  if (function.is_none()) return nullptr;
  return std::make_shared<PythonEnergy>(function, name, defers_interrupts);
}

}  // namespace thalweg::python
