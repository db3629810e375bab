// Named tensors in one file: https://huggingface.co/docs/safetensors/index#format
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace thalweg {

/// One tensor in C order. Double holds every float, so all three types are kept exactly.
struct Tensor {
  std::string dtype = "F64";  ///< "F32", "F64" or "I64"
  std::vector<std::int64_t> shape;
  std::vector<double> values;          ///< of F32 and F64
  std::vector<std::int64_t> integers;  ///< of I64
};

/// What a file holds: tensors and texts by name.
struct TensorFile {
  std::map<std::string, std::string> metadata;
  std::map<std::string, Tensor> tensors;
};

/// Reads a whole file. Throws DataError if it is cut off or damaged (header, offsets, shapes and
/// sizes must agree to the byte), holds a name twice, or has tensors of another type.
TensorFile read_safetensors(const std::string& path);

/// Writes a file atomically, the same bytes for the same content. F32 rounds to nearest. Throws
/// ShapeError where values do not fill a shape; DataError for other types, names or texts that are
/// not UTF-8, and finite values beyond the range of F32.
void write_safetensors(const std::string& path, const TensorFile& content);

}  // namespace thalweg
