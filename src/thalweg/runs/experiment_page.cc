#include "thalweg/runs/experiment_page.h"

#include <filesystem>
#include <variant>

#include "thalweg/core/error.h"
#include "thalweg/io/atomic_file.h"
#include "thalweg/report/html.h"
#include "thalweg/runs/experiment_pictures.h"
#include "thalweg/runs/experiment_tables.h"

namespace thalweg {

namespace {

namespace fs = std::filesystem;

/// What a reader must know besides the tables.
std::vector<std::string> notes_of(const Reproduction& reproduction) {
  std::vector<std::string> notes = reproduction.experiment().notes;
  if (const std::int64_t failed = reproduction.results().failed; failed > 0)
    notes.push_back(fmt::format("{} runs diverged and are left out.", failed));
  return notes;
}

}  // namespace

std::string experiment_text(const Reproduction& reproduction) {
  const Experiment& experiment = reproduction.experiment();
  const double scale = reproduction.request().scale;
  std::string text = fmt::format("{}\n{}\n", experiment.title, experiment.source);
  text += fmt::format("Scale {}: {}. Mean and {} over runs that differ in their seed.\n", scale,
                      scale == 1.0 ? "trainings of full length"
                                   : fmt::format("trainings {} times as long as published", scale),
                      experiment.spread == "deviation" ? "standard deviation" : "standard error");
  for (const TextTable& table : experiment_tables(reproduction)) text += "\n" + plain_table(table);
  for (const std::string& note : notes_of(reproduction)) text += "\n" + note + "\n";
  return text;
}

void write_experiment_page(const Reproduction& reproduction, ThreadPool& pool) {
  const Experiment& experiment = reproduction.experiment();
  const fs::path folder = reproduction.page_folder();
  std::error_code error;
  fs::create_directories(folder / "plots", error);
  if (error) fail<DataError>("{}: cannot make the folder: {}", folder.string(), error.message());
  // Numbers that took hours are not to depend on pictures.
  write_file_atomically((folder / "table.txt").string(), experiment_text(reproduction));
  HtmlReport page(experiment.title, experiment.source);
  page.section("Metrics");
  page.paragraph(fmt::format("Scale {}.", reproduction.request().scale));
  for (const TextTable& table : experiment_tables(reproduction)) page.table(table);
  for (const std::string& note : notes_of(reproduction)) page.paragraph(note);
  if (plotting_available())
    for (const ExperimentPicture& picture : experiment.pictures) {
      page.section(picture.title);
      const PictureKind& kind = find_picture_kind(picture.kind, experiment.name + ": pictures");
      for (const auto& [name, plot] : kind.draw(reproduction, picture, pool)) {
        const fs::path stem = folder / "plots" / name;
        std::visit([&](const auto& each) { write_plot(each, stem); }, plot);
        page.picture(stem.string() + ".png");
      }
    }
  page.write(folder / "report.html");
}

}  // namespace thalweg
