#include "thalweg/io/amber_netcdf.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "thalweg/core/error.h"
#include "thalweg/io/input_file.h"
#include "thalweg/io/pdb_file.h"

namespace thalweg {
namespace {

// Tags of the lists in a header, and numbers of types.
constexpr std::uint64_t kDimensions = 10, kVariables = 11, kAttributes = 12;
constexpr std::uint64_t kChar = 2, kFloat = 5, kDouble = 6;

/// Bytes of a number of each type, from 1; those from 7 on are of 64-bit data.
constexpr std::int64_t kSizes[] = {0, 1, 1, 2, 4, 4, 8, 1, 2, 4, 8, 8};

std::int64_t padded(std::int64_t bytes) { return (bytes + 3) / 4 * 4; }

template <typename Unsigned>
Unsigned big_endian(const char* bytes) {
  Unsigned value = 0;
  for (std::size_t i = 0; i < sizeof value; ++i)
    value = static_cast<Unsigned>(value << 8U) | static_cast<unsigned char>(bytes[i]);
  return value;
}

template <typename Unsigned>
void put(std::string& bytes, Unsigned value) {
  for (std::size_t i = sizeof value; i-- > 0;)
    bytes += static_cast<char>(static_cast<unsigned char>(value >> (8U * i)));
}

struct Variable {
  std::string name = {}, units = {};
  std::vector<std::size_t> dimensions = {};
  std::uint64_t type = 0;
  std::int64_t begin = 0;
  double scale = 1.0;
};

struct Header {
  std::optional<std::int64_t> records = {};  ///< none: the file does not say
  std::vector<std::pair<std::string, std::int64_t>> dimensions = {};  ///< of records: 0
  std::string conventions = {};
  std::vector<Variable> variables = {};

  bool of_records(const Variable& variable) const {
    return !variable.dimensions.empty() && dimensions[variable.dimensions.front()].second == 0;
  }
  /// Bytes of a variable, or of one record of it.
  std::int64_t bytes(const Variable& variable) const {
    std::int64_t count = kSizes[variable.type];
    for (std::size_t i = of_records(variable) ? 1 : 0; i < variable.dimensions.size(); ++i)
      count *= dimensions[variable.dimensions[i]].second;
    return count;
  }
  /// Bytes from a record to the next; a single variable of odd length is not padded.
  std::int64_t record_bytes() const {
    std::int64_t sum = 0, one = 0;
    int count = 0;
    for (const Variable& variable : variables)
      if (of_records(variable)) {
        one = bytes(variable);
        sum += padded(one);
        ++count;
      }
    return count == 1 ? one : sum;
  }
};

/// Reads a header from the first bytes of a file.
class HeaderReader {
 public:
  HeaderReader(const std::string& path, std::string_view bytes) : path_(path), bytes_(bytes) {}

  Header read() {
    if (bytes_.starts_with("\x89HDF"))
      fail<DataError>(
          "{}: is of NetCDF-4, which is not read: `nccopy -k nc6 {} new.nc` makes it one of 64-bit "
          "offsets",
          path_, path_);
    if (!bytes_.starts_with("CDF") || bytes_.size() < 4)
      fail<DataError>("{}: expected a NetCDF file, which begins with CDF", path_);
    version_ = bytes_[3];
    if (version_ != 1 && version_ != 2 && version_ != 5)
      fail<DataError>("{}: expected NetCDF's format 1, 2 or 5, got {}", path_,
                      static_cast<int>(version_));
    at_ = 4;
    Header header;
    // All bits are set where the number is not known.
    const std::uint64_t records = count();
    if (records != (version_ == 5 ? ~std::uint64_t{0} : 0xffffffffU))
      header.records = limited(records, "records");
    for (std::int64_t left = list(kDimensions); left > 0; --left) {
      std::string name = text(limited(count(), "letters"));
      header.dimensions.emplace_back(std::move(name), limited(count(), "entries of a dimension"));
    }
    for (std::int64_t left = list(kAttributes); left > 0; --left) {
      const auto [name, value] = attribute();
      if (name == "Conventions") header.conventions = value;
    }
    for (std::int64_t left = list(kVariables); left > 0; --left)
      header.variables.push_back(variable(header));
    return header;
  }

 private:
  static constexpr std::int64_t kMost = std::int64_t{1} << 40;

  [[noreturn]] void damaged(const std::string& what) const {
    fail<DataError>("{}: {}: the file is cut off or damaged", path_, what);
  }
  const char* take(std::int64_t bytes) {
    if (bytes < 0 || bytes > std::ssize(bytes_) - at_) damaged("its header has no end");
    const char* place = bytes_.data() + at_;
    at_ += bytes;
    return place;
  }
  std::uint64_t number() { return big_endian<std::uint32_t>(take(4)); }
  /// A count, which is longer in the format of 64-bit data.
  std::uint64_t count() { return version_ == 5 ? big_endian<std::uint64_t>(take(8)) : number(); }
  std::int64_t limited(std::uint64_t value, const char* what) const {
    if (value > static_cast<std::uint64_t>(kMost))
      damaged(fmt::format("its header speaks of {} {}", value, what));
    return static_cast<std::int64_t>(value);
  }
  std::int64_t list(std::uint64_t tag) {
    const std::uint64_t found = number();
    const std::uint64_t length = count();
    if (found != tag && (found != 0 || length != 0))
      damaged(fmt::format("expected a list of kind {} in its header, got {}", tag, found));
    return limited(length, "entries of a list");
  }
  std::string text(std::int64_t length) {
    return {take(padded(length)), static_cast<std::size_t>(length)};
  }
  std::uint64_t type() {
    const std::uint64_t value = number();
    if (value < 1 || value >= std::size(kSizes)) damaged(fmt::format("has a type {}", value));
    return value;
  }
  /// Name and value, as bytes if it is of numbers.
  std::pair<std::string, std::string> attribute(std::uint64_t* of_type = nullptr) {
    std::string name = text(limited(count(), "letters"));
    const std::uint64_t own = type();
    if (of_type != nullptr) *of_type = own;
    return {std::move(name), text(kSizes[own] * limited(count(), "values"))};
  }
  Variable variable(const Header& header) {
    Variable result{.name = text(limited(count(), "letters"))};
    double entries = 1.0;
    for (std::int64_t left = limited(count(), "dimensions"); left > 0; --left) {
      const std::uint64_t place = count();
      if (place >= header.dimensions.size())
        damaged(fmt::format("{} has a dimension {}", shown(result.name), place));
      result.dimensions.push_back(place);
      entries *= std::max(1.0, static_cast<double>(header.dimensions[place].second));
      if (entries > static_cast<double>(kMost))
        damaged(fmt::format("{} is too long", shown(result.name)));
    }
    for (std::int64_t left = list(kAttributes); left > 0; --left) {
      std::uint64_t own = 0;
      const auto [name, value] = attribute(&own);
      if (name == "units" && own == kChar) result.units = value;
      if (name == "scale_factor" && own == kFloat && value.size() == 4)
        result.scale = std::bit_cast<float>(big_endian<std::uint32_t>(value.data()));
      if (name == "scale_factor" && own == kDouble && value.size() == 8)
        result.scale = std::bit_cast<double>(big_endian<std::uint64_t>(value.data()));
    }
    result.type = type();
    count();  // bytes, which follow from the rest
    result.begin = limited(version_ == 1 ? number() : big_endian<std::uint64_t>(take(8)), "bytes");
    return result;
  }

  const std::string& path_;
  std::string_view bytes_;
  std::int64_t at_ = 0;
  char version_ = 1;
};

constexpr std::string_view kUnits = "angstrom", kTimeUnits = "picosecond";

void put_text(std::string& bytes, std::string_view text) {
  put(bytes, static_cast<std::uint32_t>(text.size()));
  bytes += text;
  bytes.resize(static_cast<std::size_t>(padded(std::ssize(bytes))), '\0');
}

void put_list(std::string& bytes, std::uint64_t tag, std::uint32_t length) {
  put(bytes, static_cast<std::uint32_t>(tag));
  put(bytes, length);
}

void put_attribute(std::string& bytes, std::string_view name, std::string_view value) {
  put_text(bytes, name);
  put(bytes, static_cast<std::uint32_t>(kChar));
  put_text(bytes, value);
}

void put_variable(std::string& bytes, std::string_view name,
                  const std::vector<std::uint32_t>& dimensions, std::string_view units,
                  std::uint64_t type, std::int64_t length, std::int64_t begin) {
  put_text(bytes, name);
  put(bytes, static_cast<std::uint32_t>(dimensions.size()));
  for (const std::uint32_t dimension : dimensions) put(bytes, dimension);
  put_list(bytes, units.empty() ? 0 : kAttributes, units.empty() ? 0 : 1);
  if (!units.empty()) put_attribute(bytes, "units", units);
  put(bytes, static_cast<std::uint32_t>(type));
  put(bytes, static_cast<std::uint32_t>(padded(length)));
  put(bytes, static_cast<std::uint64_t>(begin));
}

/// All up to the first record; its length does not depend on the number of frames.
std::string amber_header(std::int64_t atoms, std::int64_t frames, std::int64_t length = 0) {
  std::string bytes("CDF\x02");
  put(bytes, static_cast<std::uint32_t>(frames));
  put_list(bytes, kDimensions, 3);
  for (const auto& [name, size] :
       {std::pair{"frame", std::int64_t{0}}, std::pair{"spatial", std::int64_t{3}},
        std::pair{"atom", atoms}}) {
    put_text(bytes, name);
    put(bytes, static_cast<std::uint32_t>(size));
  }
  put_list(bytes, kAttributes, 4);
  put_attribute(bytes, "Conventions", "AMBER");
  put_attribute(bytes, "ConventionVersion", "1.0");
  put_attribute(bytes, "program", "Thalweg");
  put_attribute(bytes, "programVersion", "1");
  put_list(bytes, kVariables, 3);
  // The names of the axes are the last four bytes of what this function gives.
  put_variable(bytes, "spatial", {1}, "", kChar, 3, length - 4);
  put_variable(bytes, "time", {0}, kTimeUnits, kFloat, 4, length);
  put_variable(bytes, "coordinates", {0, 2, 1}, kUnits, kFloat, 12 * atoms, length + 4);
  bytes += std::string("xyz\0", 4);
  return length == 0 ? amber_header(atoms, frames, std::ssize(bytes)) : bytes;
}

class AmberWriter : public TrajectoryWriter {
 public:
  AmberWriter(const std::string& path, std::int64_t atoms, std::int64_t frames, double frame_time,
              std::int64_t replicas)
      : atoms_(atoms),
        frames_(frames),
        frame_time_(frame_time),
        replicas_(replicas),
        file_(path,
              frames == 0 ? 0 : std::ssize(amber_header(atoms, 0)) + frames * (4 + 12 * atoms)) {
    if (frames == 0) file_.append(amber_header(atoms_, 0));
  }
  void append(std::span<const double> positions) override {
    const auto width = static_cast<std::size_t>(3 * atoms_);
    for (std::size_t first = 0; first < positions.size(); first += width) {
      std::string bytes;
      add(bytes, frame_time_ * static_cast<double>(frames_++ / replicas_ + 1));
      for (std::size_t i = 0; i < width; ++i) add(bytes, positions[first + i] / kAngstrom);
      file_.append(bytes);
    }
  }
  void save() override { file_.save(amber_header(atoms_, frames_)); }

 private:
  void add(std::string& bytes, double value) const {
    put(bytes, std::bit_cast<std::uint32_t>(single_precision(file_.path(), value)));
  }

  std::int64_t atoms_, frames_;
  double frame_time_;
  std::int64_t replicas_;
  GrowingFile file_;
};

/// The variable with the positions; throws where it is none of AMBER's.
const Variable& coordinates_of(const Header& header, const std::string& path) {
  if (!header.conventions.starts_with("AMBER"))
    fail<DataError>("{}: expected a NetCDF file by AMBER's conventions, got '{}'", path,
                    shown(header.conventions));
  const auto found = std::ranges::find(header.variables, "coordinates", &Variable::name);
  if (found == header.variables.end())
    fail<DataError>("{}: expected a variable 'coordinates', found none", path);
  const Variable& own = *found;
  std::vector<std::string> names;
  for (const std::size_t dimension : own.dimensions)
    names.push_back(header.dimensions[dimension].first);
  const bool many = names == std::vector<std::string>{"frame", "atom", "spatial"};
  const bool one = names == std::vector<std::string>{"atom", "spatial"};
  if ((!many && !one) || header.dimensions[own.dimensions.back()].second != 3 ||
      header.dimensions[own.dimensions[own.dimensions.size() - 2]].second == 0)
    fail<DataError>("{}: expected coordinates of frame, atom and spatial, which is 3", path);
  if (own.type != kFloat && own.type != kDouble)
    fail<DataError>("{}: expected coordinates as float or double, got type {}", path, own.type);
  if (!own.units.starts_with(kUnits))
    fail<DataError>("{}: expected coordinates in {}, got '{}'", path, kUnits, shown(own.units));
  return own;
}

}  // namespace

Frames read_amber_netcdf(const std::string& path) {
  constexpr std::int64_t kHeader = 1 << 20;
  const std::int64_t size = file_size(path);
  std::ifstream stream = open_input(path);
  std::string start(static_cast<std::size_t>(std::min(size, kHeader)), '\0');
  stream.read(start.data(), std::ssize(start));
  const Header header = HeaderReader(path, start).read();
  const Variable& own = coordinates_of(header, path);
  const std::size_t last = own.dimensions.size() - 1;
  const std::int64_t atoms = header.dimensions[own.dimensions[last - 1]].second;
  const std::int64_t bytes = kSizes[own.type] * 3 * atoms;
  const bool records = header.of_records(own);
  const std::int64_t stride = records ? header.record_bytes() : bytes;
  std::int64_t count = last == 1 ? 1 : header.dimensions[own.dimensions.front()].second;
  if (records)
    count = header.records.value_or(size < own.begin + bytes
                                        ? 0
                                        : 1 + (size - own.begin - bytes) /
                                                  std::max<std::int64_t>(stride, 1));
  if (count > 0 && (own.begin > size - bytes || (count - 1) > (size - own.begin - bytes) / stride))
    fail<DataError>("{}: expected {} frames of {} atoms, and the file ends before: it is cut off",
                    path, count, atoms);
  Frames frames{atoms, {}};
  frames.positions.reserve(static_cast<std::size_t>(3 * atoms * count));
  std::string row(static_cast<std::size_t>(count > 0 ? bytes : 0), '\0');
  for (std::int64_t frame = 0; frame < count; ++frame) {
    stream.seekg(own.begin + frame * stride);
    stream.read(row.data(), bytes);
    if (stream.gcount() != bytes) fail<DataError>("{}: frame {}: cannot be read", path, frame);
    for (std::int64_t i = 0; i < 3 * atoms; ++i) {
      const char* place = row.data() + i * kSizes[own.type];
      const double value =
          own.type == kFloat
              ? static_cast<double>(std::bit_cast<float>(big_endian<std::uint32_t>(place)))
              : std::bit_cast<double>(big_endian<std::uint64_t>(place));
      // 9.97e36 is what NetCDF has where nothing was written.
      if (std::abs(value) > 1e30)
        fail<DataError>("{}: frame {}: expected positions, got {}: it was not written to the end",
                        path, frame, value);
      frames.positions.push_back(kAngstrom * own.scale * value);
    }
  }
  return frames;
}

std::unique_ptr<TrajectoryWriter> make_amber_netcdf_writer(const std::string& path,
                                                           std::int64_t atoms, std::int64_t frames,
                                                           double frame_time,
                                                           std::int64_t replicas) {
  return std::make_unique<AmberWriter>(path, atoms, frames, frame_time, replicas);
}

}  // namespace thalweg
