// Parameters and training states on disk.
//
// A checkpoint is one file that holds all that a resumed training needs, and it takes its place by
// a rename: a kill at any moment leaves the earlier checkpoint or the new one, and there is no
// second file that could disagree with it. The model's own file is an export of the result.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "thalweg/engine/parameters.h"
#include "thalweg/flows/model.h"
#include "thalweg/training/trainer.h"

namespace thalweg {

/// Version of both kinds of file, in their metadata as "format_version"; a newer one is refused.
/// 2: orders of permutations are in it.
inline constexpr int kCheckpointFormat = 2;

/// Writes all parameters and buffers under their names, rows x columns, to a .safetensors file,
/// atomically. A tensor of whole numbers is I64, another F32 where that is exact, else F64. Throws
/// DataError if the file cannot be written.
void save_parameters(const std::string& path, const ParameterStore& parameters);
/// Sets all parameters and buffers, to the same bits as were saved. Throws DataError, and changes
/// nothing, if the file is unsound, of another kind or of a newer format, or if a tensor is
/// missing, of another shape or unknown to the store, or if whole numbers, for which the model was
/// built, differ: the message names it.
void load_parameters(const std::string& path, ParameterStore& parameters);

/// The model of these options whose parameters and buffers save_parameters wrote. Nothing is drawn:
/// `seed`, with which the model was made, serves files of format 1 alone, which lack orders of
/// permutations. Throws as load_parameters and Model.
std::unique_ptr<Model> load_model(const std::string& path, const ModelOptions& options,
                                  const std::shared_ptr<const Target>& target = {},
                                  std::optional<std::uint64_t> seed = {});
/// The same from the parameters in a checkpoint.
std::unique_ptr<Model> load_checkpoint_model(const std::string& path, const ModelOptions& options,
                                             const std::shared_ptr<const Target>& target = {},
                                             std::optional<std::uint64_t> seed = {});

/// Writes a training state in the same way; `layout` is the model's store. Tensors have the names
/// of the model's, after "parameters/", "first_moment/", "second_moment/", "average/" or "best/".
void save_checkpoint(const std::string& path, const ParameterStore& layout,
                     const TrainerState& state);
/// Reads a training state for the model with this store, to the same bits as were saved. Throws as
/// load_parameters.
TrainerState load_checkpoint(const std::string& path, const ParameterStore& layout);

}  // namespace thalweg
