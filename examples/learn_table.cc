// Learns a table of points, says how well, and draws from what was learnt. The same bits as
//   thalweg train --data POINTS --out RUN --set KEY=VALUE...
//   thalweg sample RUN --count 1000 --out SAMPLES
#include <thalweg/thalweg.h>

#include <cstdio>
#include <exception>

int main(int count, char** words) {
  if (count < 4) {
    std::fputs("usage: learn_table POINTS RUN SAMPLES [KEY=VALUE...]\n", stderr);
    return 2;
  }
  try {
    thalweg::RunRequest request{.out = words[2]};
    request.settings.push_back({"data.path", std::string(words[1])});
    for (int i = 4; i < count; ++i) request.settings.push_back(thalweg::parse_setting(words[i]));
    const thalweg::RunPlan plan = thalweg::plan_run(request);
    for (const std::string& note : plan.data->notes) std::printf("note: %s\n", note.c_str());

    thalweg::ThreadPool pool;
    const thalweg::TrainingOutcome outcome = thalweg::run_training(plan, pool);
    std::printf("%s", thalweg::evaluation_text(outcome.evaluation).c_str());
    std::printf("look at %s/report.html\n", outcome.folder.c_str());

    const thalweg::LoadedRun run = thalweg::load_run(outcome.folder);
    thalweg::sample_to_file(run, {.count = 1000}, words[3], pool);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "learn_table: %s\n", error.what());
    return 1;
  }
}
