// A sound model is found sound, a spoilt one broken.
#include "thalweg/metrics/model_check.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "thalweg/sampling/normaliser.h"

namespace thalweg {
namespace {

ModelOptions small_model() {
  ModelOptions options;
  options.flow.blocks = 3;
  options.flow.hidden = {8};
  options.base.kind = "resampled";
  options.base.hidden = {8};
  options.base.truncation = 20;
  options.columns.resize(2);
  options.columns[0].mean = 3.0;
  options.columns[0].scale = 1000.0;
  options.columns[1].lower = 0.0;
  options.columns[1].upper = 2.0;
  return options;
}

Verdict verdict_of(const std::vector<Finding>& findings, const std::string& name) {
  const auto found = std::find_if(findings.begin(), findings.end(),
                                  [&](const Finding& finding) { return finding.name == name; });
  if (found == findings.end()) ADD_FAILURE() << "no finding called " << name;
  return found == findings.end() ? Verdict::kBroken : found->verdict;
}

TEST(CheckModel, FindsASoundModelSound) {
  ThreadPool pool(2);
  Model model(small_model(), 1);
  estimate_normaliser(model, 100000, 1, pool);
  const std::vector<Finding> findings = check_model(model, {}, 512, 1, pool);
  EXPECT_EQ(findings.size(), 10u);
  for (const Finding& finding : findings)
    EXPECT_EQ(finding.verdict, Verdict::kGood) << finding.name << ": " << finding.text;
}

TEST(CheckModel, DoesNotTakeKinksForAWrongDeterminant) {
  // Relu networks this wide and steep have kinks within any step of a finite difference.
  ThreadPool pool(2);
  ModelOptions options = small_model();
  options.flow.blocks = 12;
  options.flow.hidden = {512};
  options.flow.scale_map = "tanh";
  Model model(options, 1);
  RandomSequence random(3, Stream::kInitialisation);
  for (const ParameterInfo& info : model.parameters().infos())
    if (info.name.find("coupling") != std::string::npos)
      for (double& value : model.parameters().values(model.parameters().find(info.name)))
        value += 0.2 * random.normal();
  estimate_normaliser(model, 100000, 1, pool);
  const std::vector<Finding> findings = check_model(model, {}, 512, 1, pool);
  for (const Finding& finding : findings)
    if (finding.name == "log-determinant") {
      EXPECT_LT(finding.value, 1e-8);
    }
  EXPECT_EQ(verdict_of(findings, "log-determinant"), Verdict::kGood);
}

TEST(CheckModel, FindsAWrongNormaliserInTheIntegral) {
  ThreadPool pool(2);
  ModelOptions options = small_model();
  options.base.truncation = 0;  // with a truncation, part of the density does not depend on Z
  Model model(options, 1);
  estimate_normaliser(model, 100000, 1, pool);
  double& normaliser = model.parameters().values(model.resampled()->normaliser())[0];
  normaliser = std::min(1.0, 1.2 * normaliser);
  EXPECT_EQ(verdict_of(check_model(model, {}, 512, 1, pool), "integral"), Verdict::kBroken);
}

TEST(CheckModel, FindsWhatIsNotFinite) {
  ThreadPool pool(2);
  Model model(small_model(), 1);
  estimate_normaliser(model, 100000, 1, pool);
  for (const ParameterInfo& info : model.parameters().infos())
    if (info.name.find("coupling") != std::string::npos)
      for (double& value : model.parameters().values(model.parameters().find(info.name)))
        value = NAN;
  EXPECT_EQ(verdict_of(check_model(model, {}, 64, 1, pool), "samples not finite"),
            Verdict::kBroken);
}

TEST(CheckModel, LooksBeyondTheSamples) {
  ThreadPool pool(2);
  ModelOptions options = small_model();
  options.base.kind = "normal";
  Model model(options, 1);
  EXPECT_EQ(verdict_of(check_model(model, {}, 512, 1, pool), "densities far away"), Verdict::kGood);
  for (const ParameterInfo& info : model.parameters().infos())
    if (info.name.find("coupling") != std::string::npos)
      for (double& value : model.parameters().values(model.parameters().find(info.name)))
        value = 3.0;
  // Steep exponential scales overflow a few widths away, which is no density and no defect.
  EXPECT_EQ(verdict_of(check_model(model, {}, 512, 1, pool), "densities far away"), Verdict::kGood);
}

}  // namespace
}  // namespace thalweg
