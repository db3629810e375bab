// The commands of the tool: each adds itself, with its options and examples, to the application.
#pragma once

#include <CLI/CLI.hpp>

namespace thalweg::cli {

void add_demo(CLI::App& app);
void add_train(CLI::App& app);
void add_sample(CLI::App& app);
void add_log_prob(CLI::App& app);
void add_evaluate(CLI::App& app);
void add_report(CLI::App& app);
void add_data(CLI::App& app);
void add_simulate(CLI::App& app);
void add_drive(CLI::App& app);
void add_profile(CLI::App& app);
void add_doctor(CLI::App& app);
void add_reproduce(CLI::App& app);
void add_list(CLI::App& app);
void add_describe(CLI::App& app);

}  // namespace thalweg::cli
