#include "thalweg/io/npy.h"

#include <algorithm>
#include <bit>
#include <cctype>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>
#include <string_view>

#include "thalweg/core/error.h"
#include "thalweg/io/input_file.h"
#include "thalweg/io/npy_header.h"

namespace thalweg {
namespace {

static_assert(std::endian::native == std::endian::little, "files are written as memory holds them");

constexpr std::string_view kMagic("\x93NUMPY", 6);
constexpr std::size_t kChunk = std::size_t{1} << 18;  // elements read or written at a time

struct NpyPath {
  std::string file;
  std::vector<std::int64_t> indices;
};

struct Header {
  char kind = 'f';
  std::int64_t item_size = 8;
  bool big_endian = false;
  bool fortran_order = false;
  std::vector<std::int64_t> shape;
  std::int64_t data_offset = 0;
};

std::string lower_case(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

std::size_t slice_start(const std::string& path) {
  if (!path.ends_with(']')) return std::string::npos;
  const std::size_t bracket = path.rfind('[');
  if (bracket == std::string::npos) return bracket;
  return lower_case(path.substr(0, bracket)).ends_with(".npy") ? bracket : std::string::npos;
}

NpyPath split_path(const std::string& path) {
  const std::size_t bracket = slice_start(path);
  if (bracket == std::string::npos) return {path, {}};
  NpyPath result{path.substr(0, bracket), {}};
  const char* position = path.data() + bracket;
  const char* const end = path.data() + path.size() - 1;
  while (position != end) {
    std::int64_t index = 0;
    const auto [next, error] = std::from_chars(position + 1, end, index);
    if (error != std::errc() || index < 0 || (next != end && *next != ',')) {
      fail<DataError>("{}: expected whole numbers from 0 in the brackets, as in file.npy[3,0]",
                      path);
    }
    result.indices.push_back(index);
    position = next;
  }
  return result;
}

std::string shape_text(std::span<const std::int64_t> shape) {
  return fmt::format("({}{})", fmt::join(shape, ", "), shape.size() == 1 ? "," : "");
}

/// Reads the header's Python dictionary: strings, booleans and a tuple of whole numbers.
class HeaderParser {
 public:
  HeaderParser(const std::string& path, std::string_view text) : path_(path), text_(text) {}

  Header parse() {
    Header header;
    bool has_type = false, has_order = false, has_shape = false;
    expect('{');
    while (!accept('}')) {
      const std::string key = string();
      expect(':');
      if (key == "descr" && !has_type) {
        has_type = true;
        if (peek() == '[') refuse_type("a structured type");
        set_type(header, string());
      } else if (key == "fortran_order" && !has_order) {
        has_order = true;
        header.fortran_order = boolean();
      } else if (key == "shape" && !has_shape) {
        has_shape = true;
        header.shape = tuple();
      } else {
        garbage();
      }
      if (!accept(',') && peek() != '}') garbage();
    }
    if (!has_type || !has_order || !has_shape || peek() != '\0') garbage();
    return header;
  }

 private:
  [[noreturn]] void garbage() const {
    fail<DataError>(
        "{}: the .npy header cannot be understood at its character {}; expected descr, "
        "fortran_order and shape; write the file again with numpy.save",
        path_, position_);
  }

  [[noreturn]] void refuse_type(std::string_view type) const {
    fail<DataError>(
        "{}: expected numbers (float32, float64, integers or booleans), got {}; convert with "
        "array.astype('float64')",
        path_, type);
  }

  void set_type(Header& header, const std::string& type) const {
    const bool known_order =
        type.size() == 3 && std::string_view("<>|=").find(type[0]) != std::string_view::npos;
    const std::string_view name = std::string_view(type).substr(known_order ? 1 : 0);
    constexpr std::string_view known[] = {"f4", "f8", "i1", "i2", "i4", "i8",
                                          "u1", "u2", "u4", "u8", "b1"};
    if (!known_order || std::find(std::begin(known), std::end(known), name) == std::end(known)) {
      const std::string_view word = type.find('O') != std::string::npos   ? " (objects)"
                                    : type.find('c') != std::string::npos ? " (complex numbers)"
                                    : type.find_first_of("USa") != std::string::npos ? " (text)"
                                                                                     : "";
      refuse_type(fmt::format("type '{}'{}", shown(type), word));
    }
    header.kind = name[0];
    header.item_size = name[1] - '0';
    header.big_endian = type[0] == '>';
  }

  char peek() {
    while (position_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[position_]))) {
      ++position_;
    }
    return position_ < text_.size() ? text_[position_] : '\0';
  }

  bool accept(char c) {
    if (peek() != c) return false;
    ++position_;
    return true;
  }

  void expect(char c) {
    if (!accept(c)) garbage();
  }

  std::string string() {
    const char quote = peek();
    if (quote != '\'' && quote != '"') garbage();
    const std::size_t end = text_.find(quote, position_ + 1);
    if (end == std::string_view::npos) garbage();
    std::string result(text_.substr(position_ + 1, end - position_ - 1));
    position_ = end + 1;
    return result;
  }

  bool boolean() {
    peek();
    const bool value = text_.substr(position_).starts_with("True");
    if (!value && !text_.substr(position_).starts_with("False")) garbage();
    position_ += value ? 4 : 5;
    return value;
  }

  std::vector<std::int64_t> tuple() {
    std::vector<std::int64_t> result;
    expect('(');
    while (!accept(')')) {
      peek();
      std::int64_t value = 0;
      const auto [next, error] =
          std::from_chars(text_.data() + position_, text_.data() + text_.size(), value);
      if (error != std::errc() || value < 0) garbage();
      position_ = static_cast<std::size_t>(next - text_.data());
      accept('L');  // Python 2 wrote long integers so
      result.push_back(value);
      if (!accept(',') && peek() != ')') garbage();
    }
    return result;
  }

  const std::string& path_;
  std::string_view text_;
  std::size_t position_ = 0;
};

Header read_header(std::ifstream& stream, const std::string& path, std::int64_t size) {
  if (size == 0) fail<DataError>("{}: the file is empty; expected a .npy array", path);
  char start[12] = {};
  stream.read(start, sizeof start);
  if (std::string_view(start, kMagic.size()) != kMagic) {
    fail<DataError>("{}: expected a .npy array, got something else; write it with numpy.save",
                    path);
  }
  const int version = static_cast<unsigned char>(start[6]);
  if (version < 1 || version > 3) {
    fail<DataError>("{}: expected version 1, 2 or 3 of the .npy format, got {}", path, version);
  }
  std::uint32_t length = 0;
  const std::int64_t prefix = version == 1 ? 10 : 12;
  std::memcpy(&length, start + 8, version == 1 ? 2 : 4);
  if (size < prefix || length > size - prefix) {
    fail<DataError>(
        "{}: the file is cut off: expected {} bytes of header, got {} bytes in all; copy it again",
        path, prefix + length, size);
  }
  std::string text(length, '\0');
  stream.clear();
  stream.seekg(prefix);
  stream.read(text.data(), static_cast<std::streamsize>(length));
  Header header = HeaderParser(path, text).parse();
  header.data_offset = prefix + length;
  return header;
}

template <typename T>
void convert(const char* bytes, std::size_t count, bool swap, double* result) {
  for (std::size_t i = 0; i < count; ++i) {
    char item[sizeof(T)];
    std::memcpy(item, bytes + i * sizeof(T), sizeof(T));
    if (swap) std::reverse(item, item + sizeof(T));
    T value;
    std::memcpy(&value, item, sizeof(T));
    result[i] = static_cast<double>(value);
  }
}

// Identifiers or nanoseconds that double would round must not change in silence.
template <typename T>
std::optional<T> first_inexact(const char* bytes, std::size_t count, bool swap) {
  constexpr T limit = T{1} << 53;
  for (std::size_t i = 0; i < count; ++i) {
    char item[sizeof(T)];
    std::memcpy(item, bytes + i * sizeof(T), sizeof(T));
    if (swap) std::reverse(item, item + sizeof(T));
    T value;
    std::memcpy(&value, item, sizeof(T));
    const bool inside = value <= limit && (std::is_unsigned_v<T> || value >= T{0} - limit);
    if (!inside) return value;
  }
  return std::nullopt;
}

/// Reads `count` elements that follow in the stream.
class ElementReader {
 public:
  ElementReader(std::ifstream& stream, const Header& header, const std::string& path)
      : stream_(stream), header_(header), path_(path) {}

  void read(std::size_t count, double* result) {
    const auto item_size = static_cast<std::size_t>(header_.item_size);
    bytes_.resize(count * item_size);
    stream_.read(bytes_.data(), static_cast<std::streamsize>(bytes_.size()));
    if (static_cast<std::size_t>(stream_.gcount()) != bytes_.size()) {
      fail<DataError>("{}: cannot read: expected {} more bytes, got {}; check the disk", path_,
                      bytes_.size(), stream_.gcount());
    }
    const char* bytes = bytes_.data();
    const bool swap = header_.big_endian;
    switch (header_.kind) {
      case 'f':
        item_size == 4 ? convert<float>(bytes, count, swap, result)
                       : convert<double>(bytes, count, swap, result);
        break;
      case 'i':
        if (item_size == 8) refuse_inexact(first_inexact<std::int64_t>(bytes, count, swap));
        item_size == 1   ? convert<std::int8_t>(bytes, count, swap, result)
        : item_size == 2 ? convert<std::int16_t>(bytes, count, swap, result)
        : item_size == 4 ? convert<std::int32_t>(bytes, count, swap, result)
                         : convert<std::int64_t>(bytes, count, swap, result);
        break;
      case 'u':
        if (item_size == 8) refuse_inexact(first_inexact<std::uint64_t>(bytes, count, swap));
        item_size == 1   ? convert<std::uint8_t>(bytes, count, swap, result)
        : item_size == 2 ? convert<std::uint16_t>(bytes, count, swap, result)
        : item_size == 4 ? convert<std::uint32_t>(bytes, count, swap, result)
                         : convert<std::uint64_t>(bytes, count, swap, result);
        break;
      default:
        for (std::size_t i = 0; i < count; ++i) result[i] = bytes[i] == 0 ? 0.0 : 1.0;
    }
  }

 private:
  template <typename T>
  void refuse_inexact(std::optional<T> value) const {
    if (!value) return;
    fail<DataError>(
        "{}: the integer {} is beyond 2^53, where double precision cannot keep every integer; "
        "subtract an offset, or convert with array.astype('float64') if rounding is fine",
        path_, *value);
  }

  std::ifstream& stream_;
  const Header& header_;
  const std::string& path_;
  std::vector<char> bytes_;
};

/// Walks through all elements in Fortran order and puts those of the slice in their C place.
void read_fortran(ElementReader& reader, const Header& header,
                  const std::vector<std::int64_t>& indices, std::int64_t total,
                  std::vector<double>& values) {
  const std::size_t dimensions = header.shape.size();
  std::vector<std::int64_t> strides(dimensions, 0), position(dimensions, 0);
  std::int64_t stride = 1;
  for (std::size_t d = dimensions; d > indices.size(); --d) {
    strides[d - 1] = stride;
    stride *= header.shape[d - 1];
  }
  std::vector<double> chunk(kChunk);
  std::int64_t offset = 0;
  for (std::int64_t done = 0; done < total;) {
    const auto count = std::min(static_cast<std::int64_t>(kChunk), total - done);
    reader.read(static_cast<std::size_t>(count), chunk.data());
    for (std::int64_t i = 0; i < count; ++i) {
      if (std::equal(indices.begin(), indices.end(), position.begin())) {
        values[static_cast<std::size_t>(offset)] = chunk[static_cast<std::size_t>(i)];
      }
      for (std::size_t d = 0; d < dimensions; ++d) {
        offset += strides[d];
        if (++position[d] < header.shape[d]) break;
        offset -= strides[d] * header.shape[d];
        position[d] = 0;
      }
    }
    done += count;
  }
}

void write_values(AtomicFile& file, std::span<const double> values, FloatType type) {
  if (type == FloatType::kFloat64) {
    file.write({reinterpret_cast<const char*>(values.data()), values.size_bytes()});
    return;
  }
  std::vector<float> chunk;
  while (!values.empty()) {
    const auto part = values.first(std::min(kChunk, values.size()));
    chunk.resize(part.size());
    for (std::size_t i = 0; i < part.size(); ++i) {
      // Beyond the range the cast itself would be undefined.
      if (std::isfinite(part[i]) && std::abs(part[i]) > std::numeric_limits<float>::max()) {
        fail<DataError>("{}: the value {} is beyond the range of float32; write float64",
                        file.path(), part[i]);
      }
      chunk[i] = static_cast<float>(part[i]);
    }
    file.write({reinterpret_cast<const char*>(chunk.data()), chunk.size() * sizeof(float)});
    values = values.subspan(part.size());
  }
}

}  // namespace

std::string npy_header(std::span<const std::int64_t> shape, FloatType type) {
  std::string text = fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': {}, }}",
                                 type == FloatType::kFloat32 ? "<f4" : "<f8", shape_text(shape));
  // Data start at a multiple of 64 bytes; the least of 128 leaves room for any number of rows.
  const std::size_t length = std::max<std::size_t>(128, (text.size() + 11 + 63) / 64 * 64) - 10;
  if (length > std::numeric_limits<std::uint16_t>::max()) {
    fail<ShapeError>("a .npy array of {} dimensions cannot be written", shape.size());
  }
  text.resize(length - 1, ' ');
  std::string bytes(kMagic);
  bytes += '\1';
  bytes += '\0';
  bytes += static_cast<char>(length & 255);
  bytes += static_cast<char>(length >> 8);
  return bytes + text + '\n';
}

std::optional<std::int64_t> element_count(std::span<const std::int64_t> shape) {
  if (std::any_of(shape.begin(), shape.end(), [](std::int64_t size) { return size < 0; })) {
    return std::nullopt;
  }
  if (std::find(shape.begin(), shape.end(), 0) != shape.end()) return 0;
  std::int64_t count = 1;
  for (const std::int64_t size : shape) {
    if (count > std::numeric_limits<std::int64_t>::max() / size) return std::nullopt;
    count *= size;
  }
  return count;
}

bool is_npy_path(const std::string& path) {
  return lower_case(path).ends_with(".npy") || slice_start(path) != std::string::npos;
}

Array read_npy(const std::string& path) {
  const auto [file, indices] = split_path(path);
  std::ifstream stream = open_input(file);
  const std::int64_t size = file_size(file);
  const Header header = read_header(stream, file, size);
  const auto total = element_count(header.shape);
  const std::int64_t available = size - header.data_offset;
  if (!total || *total > std::numeric_limits<std::int64_t>::max() / header.item_size) {
    fail<DataError>("{}: the shape {} is larger than any file; the header is damaged", file,
                    shape_text(header.shape));
  }
  if (*total * header.item_size != available) {
    fail<DataError>("{}: expected {} bytes of data for shape {}, got {}; {}", file,
                    *total * header.item_size, shape_text(header.shape), available,
                    available < *total * header.item_size
                        ? "the file is cut off: copy or write it again"
                        : "the header is damaged, more than one array is in the file, or it is "
                          "still being written");
  }
  if (indices.size() > header.shape.size()) {
    fail<DataError>("{}: expected at most {} indices for shape {}, got {}", path,
                    header.shape.size(), shape_text(header.shape), indices.size());
  }
  for (std::size_t d = 0; d < indices.size(); ++d) {
    if (indices[d] >= header.shape[d]) {
      fail<DataError>("{}: index {} of dimension {} is out of range for shape {}", path, indices[d],
                      d, shape_text(header.shape));
    }
  }
  Array result;
  result.shape.assign(header.shape.begin() + static_cast<std::ptrdiff_t>(indices.size()),
                      header.shape.end());
  result.integer_dtype = header.kind != 'f';
  result.single_precision = header.kind == 'f' && header.item_size == 4;
  if (*total == 0) return result;
  const std::int64_t count = *element_count(result.shape);
  result.values.resize(static_cast<std::size_t>(count));
  ElementReader reader(stream, header, file);
  stream.seekg(header.data_offset);
  if (header.fortran_order) {
    read_fortran(reader, header, indices, *total, result.values);
    return result;
  }
  std::int64_t leading = 0;
  for (std::size_t d = 0; d < indices.size(); ++d) leading = leading * header.shape[d] + indices[d];
  stream.seekg(header.data_offset + leading * count * header.item_size);
  for (std::size_t done = 0; done < result.values.size();) {
    const std::size_t part = std::min(kChunk, result.values.size() - done);
    reader.read(part, result.values.data() + done);
    done += part;
  }
  return result;
}

void write_npy(const std::string& path, std::span<const std::int64_t> shape,
               std::span<const double> values, FloatType type) {
  if (element_count(shape) != static_cast<std::int64_t>(values.size())) {
    fail<ShapeError>("{}: expected values for shape {}, got {} values", path, shape_text(shape),
                     values.size());
  }
  AtomicFile file(path);
  file.write(npy_header(shape, type));
  write_values(file, values, type);
  file.commit();
}

NpyWriter::NpyWriter(const std::string& path, std::int64_t columns, FloatType type)
    : file_(path), columns_(columns), type_(type) {
  if (columns < 1) fail<ShapeError>("{}: expected at least 1 column, got {}", path, columns);
  const std::int64_t shape[] = {0, columns};
  file_.write(npy_header(shape, type));
}

void NpyWriter::append(std::span<const double> rows) {
  const auto size = static_cast<std::int64_t>(rows.size());
  if (size % columns_ != 0) {
    fail<ShapeError>("{}: expected whole rows of {} values, got {} values", file_.path(), columns_,
                     size);
  }
  write_values(file_, rows, type_);
  rows_ += size / columns_;
}

void NpyWriter::finish() {
  const std::int64_t shape[] = {rows_, columns_};
  file_.overwrite_start(npy_header(shape, type_));
  file_.commit();
}

}  // namespace thalweg
