// Runs gnuplot on a script.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace thalweg {

/// Whether a program gnuplot is on the PATH. Only absolute folders of the PATH count.
bool plotting_available();

/// The text as a gnuplot string of one line in which nothing is expanded.
std::string gnuplot_quoted(std::string_view text);

/// Draws the script twice, as `<stem>.png` (two pixels for each unit) and `<stem>.svg`, on a white
/// canvas of `width` x `height` units with text in `font_size` units. `data` defines datablocks,
/// `commands` draw, with fonts given as `sprintf('sans-serif,%g', size * text_unit)`. Each file is
/// written whole or not at all; the folder of `stem` must exist. Throws DataError if gnuplot is
/// missing or fails or if a file cannot be written. Needs no terminal; safe to call from several
/// threads.
void run_gnuplot(std::string_view data, std::string_view commands, int width, int height,
                 int font_size, const std::filesystem::path& stem);

}  // namespace thalweg
