#include "errors.h"

#include <array>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

#include "thalweg/core/error.h"

namespace nb = nanobind;

namespace thalweg::python {
namespace {

/// What options of the tool are called here; longer ones before those that they begin with.
constexpr std::array<std::pair<std::string_view, std::string_view>, 24> kNames = {{
    {"--drop-constant (data.drop_constant = true)", "settings={\"data.drop_constant\": True}"},
    {"--drop-duplicates", "settings={\"data.drop_duplicates\": True}"},
    {"--drop-constant", "settings={\"data.drop_constant\": True}"},
    {"--drop-missing", "settings={\"data.drop_missing\": True}"},
    {"--energy EXPRESSION", "energy"},
    {"--condition FILE", "condition"},
    {"--ignore-hash", "verify=False"},
    {"--constants", "settings={\"constants\": ...}"},
    {"--condition", "condition"},
    {"--data FILE", "data"},
    {"--periodic", "periodic"},
    {"--sampler", "sampler"},
    {"--columns", "columns"},
    {"--density", "density"},
    {"--weights", "weights"},
    {"--thinning", "thinning"},
    {"--bounds", "bounds"},
    {"--energy", "energy"},
    {"--resume", "resume=True"},
    {"--force", "force=True"},
    {"--kinds", "kinds"},
    {"--data", "data"},
    {"--seed", "seed"},
    {"--out", "out"},
}};

std::string in_python(std::string text) {
  for (const auto& [option, name] : kNames) {
    for (std::size_t at = text.find(option); at != std::string::npos; at = text.find(option, at)) {
      const std::size_t end = at + option.size();
      const bool whole =
          end == text.size() ||
          !(std::isalpha(static_cast<unsigned char>(text[end])) != 0 || text[end] == '-');
      if (whole) text.replace(at, option.size(), name);
      at += whole ? name.size() : option.size();
    }
  }
  return text;
}

void raise(const char* name, const std::string& message) {
  const nb::object type = nb::module_::import_("thalweg.errors").attr(name);
  PyErr_SetString(type.ptr(), in_python(message).c_str());
}

}  // namespace

void translate_errors() {
  nb::register_exception_translator([](const std::exception_ptr& error, void*) {
    try {
      std::rethrow_exception(error);
    } catch (const ShapeError& known) {
      raise("ShapeError", known.what());
    } catch (const ConfigError& known) {
      raise("ConfigError", known.what());
    } catch (const DataError& known) {
      raise("DataError", known.what());
    } catch (const NumericalError& known) {
      raise("NumericalError", known.what());
    } catch (const std::filesystem::filesystem_error& known) {
      raise("DataError", known.path1().string() + ": " + known.code().message() +
                             "; check the name and its permissions");
    }
  });
}

}  // namespace thalweg::python
