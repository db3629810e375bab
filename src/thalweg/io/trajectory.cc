#include "thalweg/io/trajectory.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>

#include "thalweg/core/error.h"
#include "thalweg/io/amber_netcdf.h"
#include "thalweg/io/input_file.h"
#include "thalweg/io/npy.h"
#include "thalweg/io/npy_header.h"
#include "thalweg/io/pdb_file.h"

namespace thalweg {
namespace {

constexpr double kAkma = 0.0488882129;  // ps, CHARMM's unit of time

using Block = std::array<std::int32_t, 21>;  // "CORD" and twenty numbers

void put(std::string& bytes, std::int32_t value) {
  bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
}

/// FORTRAN's records: their length before and after.
class Records {
 public:
  explicit Records(const std::string& path)
      : path_(path), stream_(open_input(path)), left_(file_size(path)) {}

  bool more() const { return left_ > 0; }
  std::int64_t left() const { return left_; }
  std::vector<char> next(std::int64_t longest) {
    const std::int32_t length = marker();
    if (length < 0 || length > longest)
      fail<DataError>(
          "{}: expected a record of at most {} bytes, got {}: not a DCD file of little "
          "endian, or damaged",
          path_, longest, length);
    if (length + 4 > left_) cut_off();
    std::vector<char> bytes(static_cast<std::size_t>(length));
    read(bytes.data(), length);
    if (marker() != length)
      fail<DataError>("{}: a record's two lengths differ: the file is damaged", path_);
    return bytes;
  }
  [[noreturn]] void cut_off() const {
    fail<DataError>("{}: ends in the middle of a record: the file is cut off", path_);
  }

 private:
  std::int32_t marker() {
    std::int32_t length = 0;
    if (left_ < 4) cut_off();
    read(reinterpret_cast<char*>(&length), sizeof length);
    return length;
  }
  void read(char* to, std::int64_t count) {
    stream_.read(to, count);
    if (stream_.gcount() != count) cut_off();
    left_ -= count;
  }

  std::string path_;
  std::ifstream stream_;
  std::int64_t left_;
};

/// Up to the first frame.
std::string dcd_header(std::int64_t atoms, std::int64_t frames, double frame_time) {
  constexpr std::string_view kTitle = "Positions in Angstroms, written by Thalweg";
  std::string bytes;
  Block block{};
  std::memcpy(block.data(), "CORD", 4);
  block[1] = static_cast<std::int32_t>(frames);
  block[2] = 1;  // the first frame's step
  block[3] = 1;  // steps from a frame to the next
  block[4] = static_cast<std::int32_t>(frames);
  const auto step = static_cast<float>(frame_time / kAkma);
  std::memcpy(&block[10], &step, sizeof step);
  block[20] = 24;  // CHARMM's version
  put(bytes, sizeof block);
  bytes.append(reinterpret_cast<const char*>(block.data()), sizeof block);
  put(bytes, sizeof block);
  put(bytes, 84);
  put(bytes, 1);  // titles
  std::string title(kTitle);
  title.resize(80, ' ');
  bytes += title;
  put(bytes, 84);
  put(bytes, 4);
  put(bytes, static_cast<std::int32_t>(atoms));
  put(bytes, 4);
  return bytes;
}

class DcdWriter : public TrajectoryWriter {
 public:
  DcdWriter(const std::string& path, std::int64_t atoms, std::int64_t frames, double frame_time)
      : atoms_(atoms),
        frames_(frames),
        frame_time_(frame_time),
        file_(path, frames == 0 ? 0 : header_size() + frames * 3 * (4 * atoms + 8)) {
    if (frames == 0) file_.append(dcd_header(atoms_, 0, frame_time_));
  }
  void append(std::span<const double> positions) override {
    const auto atoms = static_cast<std::size_t>(atoms_);
    for (std::size_t first = 0; first < positions.size(); first += 3 * atoms, ++frames_)
      for (std::size_t axis = 0; axis < 3; ++axis) {
        std::string bytes;
        put(bytes, static_cast<std::int32_t>(4 * atoms_));
        for (std::size_t i = 0; i < atoms; ++i) {
          const float x =
              single_precision(file_.path(), positions[first + 3 * i + axis] / kAngstrom);
          bytes.append(reinterpret_cast<const char*>(&x), sizeof x);
        }
        put(bytes, static_cast<std::int32_t>(4 * atoms_));
        file_.append(bytes);
      }
  }
  void save() override { file_.save(dcd_header(atoms_, frames_, frame_time_)); }

 private:
  static std::int64_t header_size() {
    return static_cast<std::int64_t>(dcd_header(1, 0, 1.0).size());
  }

  std::int64_t atoms_, frames_;
  double frame_time_;
  GrowingFile file_;
};

class NpyTrajectory : public TrajectoryWriter {
 public:
  NpyTrajectory(const std::string& path, std::int64_t atoms, std::int64_t frames)
      : shape_{frames, atoms, 3},
        file_(path, frames == 0 ? 0 : header_size() + frames * 12 * atoms) {
    if (frames == 0) file_.append(npy_header(shape_, FloatType::kFloat32));
  }
  void append(std::span<const double> positions) override {
    std::vector<float> narrow;
    for (const double x : positions) narrow.push_back(single_precision(file_.path(), x));
    file_.append({reinterpret_cast<const char*>(narrow.data()), narrow.size() * sizeof(float)});
    shape_[0] += static_cast<std::int64_t>(positions.size()) / (3 * shape_[1]);
  }
  void save() override { file_.save(npy_header(shape_, FloatType::kFloat32)); }

 private:
  std::int64_t header_size() const {
    return static_cast<std::int64_t>(npy_header(shape_, FloatType::kFloat32).size());
  }

  std::vector<std::int64_t> shape_;
  GrowingFile file_;
};

std::int64_t array_bytes(const std::vector<std::int64_t>& shape) {
  if (shape[0] == 0) return 0;
  return static_cast<std::int64_t>(npy_header(shape, FloatType::kFloat64).size()) +
         8 * element_count(shape).value_or(0);
}

std::vector<std::int64_t> with_rows(std::vector<std::int64_t> row_shape, std::int64_t rows) {
  row_shape.insert(row_shape.begin(), rows);
  return row_shape;
}

Frames frames_of_array(const std::string& path, std::int64_t atoms) {
  Array array = read_npy(path);
  const auto& shape = array.shape;
  const std::size_t d = shape.size();
  const bool one = d == 2 && shape[1] == 3 && shape[0] == atoms;
  const bool flat = d == 2 && shape[1] == 3 * atoms;
  const bool many = d == 3 && shape[1] == atoms && shape[2] == 3;
  if (!one && !flat && !many) {
    std::string got;
    for (const std::int64_t size : shape)
      got += fmt::format("{}{}", got.empty() ? "" : " x ", size);
    fail<DataError>(
        "{}: expected positions of {} atoms: {} x 3, frames x {} x 3 or frames x {}, "
        "got {}",
        path, atoms, atoms, atoms, 3 * atoms, got);
  }
  return {atoms, std::move(array.values)};
}

}  // namespace

float single_precision(const std::string& path, double value) {
  if (!(std::abs(value) <= static_cast<double>(std::numeric_limits<float>::max())))
    fail<DataError>("{}: expected finite positions in the range of float32, got {}", path, value);
  return static_cast<float>(value);
}

Frames read_dcd(const std::string& path) {
  Records records(path);
  const std::vector<char> first = records.next(1 << 20);
  Block block{};
  if (first.size() != sizeof block || std::memcmp(first.data(), "CORD", 4) != 0)
    fail<DataError>("{}: expected a DCD file, whose first record has 84 bytes and begins with CORD",
                    path);
  std::memcpy(block.data(), first.data(), sizeof block);
  if (block[9] != 0) fail<DataError>("{}: DCD files with fixed atoms are not supported", path);
  const bool charmm = block[20] != 0, cell = charmm && block[11] != 0;
  if (charmm && block[12] != 0)
    fail<DataError>("{}: DCD files with four dimensions are not supported", path);
  records.next(1 << 20);  // titles
  const std::vector<char> size = records.next(1 << 20);
  std::int32_t atoms = 0;
  if (size.size() != sizeof atoms)
    fail<DataError>("{}: expected the number of atoms in 4 bytes, got {}", path, size.size());
  std::memcpy(&atoms, size.data(), sizeof atoms);
  if (atoms < 1) fail<DataError>("{}: expected atoms, got {}", path, atoms);
  Frames frames{atoms, {}};
  const auto count = static_cast<std::size_t>(atoms);
  for (std::size_t frame = 0; records.more(); ++frame) {
    if (cell) records.next(1 << 20);
    // A damaged number of atoms must not ask for more memory than there is.
    if (records.left() < std::int64_t{12} * atoms) records.cut_off();
    frames.positions.resize((frame + 1) * 3 * count);
    for (std::size_t axis = 0; axis < 3; ++axis) {
      const std::vector<char> bytes = records.next(std::int64_t{4} * atoms);
      if (bytes.size() != 4 * count)
        fail<DataError>("{}: frame {}: expected {} bytes of positions, got {}", path, frame,
                        4 * count, bytes.size());
      for (std::size_t i = 0; i < count; ++i) {
        float x = 0.0F;
        std::memcpy(&x, bytes.data() + 4 * i, sizeof x);
        frames.positions[(frame * count + i) * 3 + axis] = kAngstrom * static_cast<double>(x);
      }
    }
  }
  // Some programs leave the number at 0 while they write.
  if (block[1] != 0 && block[1] != frames.count())
    fail<DataError>("{}: expected {} frames as its header says, got {}: the file is {}", path,
                    block[1], frames.count(),
                    frames.count() < block[1] ? "cut off" : "still written, or was not closed");
  return frames;
}

Frames read_frames(const std::string& path, std::int64_t atoms, std::string_view what) {
  Frames frames;
  if (is_npy_path(path)) {
    frames = frames_of_array(path, atoms);
  } else if (path.ends_with(".dcd")) {
    frames = read_dcd(path);
  } else if (path.ends_with(".nc") || path.ends_with(".ncrst")) {
    frames = read_amber_netcdf(path);
  } else if (path.ends_with(".pdb")) {
    PdbFile pdb = read_pdb(path);
    frames = {static_cast<std::int64_t>(pdb.atoms.size()), std::move(pdb.positions)};
  } else {
    fail<DataError>("{}: expected positions in a file .pdb, .npy, .dcd, .nc or .ncrst", path);
  }
  if (frames.atoms != atoms)
    fail<DataError>("{}: expected {} of {} atoms, got {}", path, what, atoms, frames.atoms);
  if (frames.count() == 0) fail<DataError>("{}: expected frames, found none", path);
  for (std::size_t i = 0; i < frames.positions.size(); ++i)
    if (!std::isfinite(frames.positions[i]))
      fail<DataError>("{}: frame {}, atom {}: expected finite {}, got {}", path,
                      i / static_cast<std::size_t>(3 * atoms),
                      i / 3 % static_cast<std::size_t>(atoms), what, frames.positions[i]);
  return frames;
}

std::unique_ptr<TrajectoryWriter> make_trajectory_writer(const std::string& format,
                                                         const std::string& path,
                                                         std::int64_t atoms, std::int64_t frames,
                                                         double frame_time, std::int64_t replicas) {
  if (format == "dcd") return std::make_unique<DcdWriter>(path, atoms, frames, frame_time);
  if (format == "nc") return make_amber_netcdf_writer(path, atoms, frames, frame_time, replicas);
  if (format == "npy") return std::make_unique<NpyTrajectory>(path, atoms, frames);
  fail<ConfigError>("format: expected npy, dcd or nc, got '{}'", format);
}

GrowingArray::GrowingArray(const std::string& path, std::vector<std::int64_t> row_shape,
                           std::int64_t rows)
    : shape_(with_rows(std::move(row_shape), rows)), file_(path, array_bytes(shape_)) {
  if (rows == 0) file_.append(npy_header(shape_, FloatType::kFloat64));
}

void GrowingArray::append(std::span<const double> values) {
  file_.append({reinterpret_cast<const char*>(values.data()), values.size_bytes()});
  std::int64_t row = 1;
  for (std::size_t d = 1; d < shape_.size(); ++d) row *= shape_[d];
  shape_[0] += static_cast<std::int64_t>(values.size()) / row;
}

void GrowingArray::save() { file_.save(npy_header(shape_, FloatType::kFloat64)); }

}  // namespace thalweg
