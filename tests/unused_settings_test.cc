// Settings that nothing reads are named, and those that something reads are not.
#include "thalweg/runs/unused_settings.h"

#include <gtest/gtest.h>

namespace thalweg {
namespace {

/// What is said of settings, all of them asked for.
std::vector<std::string> said_of(const std::vector<std::string>& settings) {
  RunOptions options;
  std::set<std::string> keys;
  for (const std::string& setting : settings) {
    set_option(options, setting);
    keys.insert(setting.substr(0, setting.find('=')));
  }
  return unused_settings(options, keys);
}

TEST(UnusedSettings, AreNamedWithWhatWouldReadThem) {
  EXPECT_EQ(said_of({"flow.kind=spline", "training.pairing=optimal_transport"}),
            std::vector<std::string>{"training.pairing = \"optimal_transport\" has no effect: it "
                                     "is read by training.objective = "
                                     "flow_matching, and it is maximum_likelihood"});
  EXPECT_EQ(
      said_of({"flow.kind=real_nvp", "flow.bins=12"}),
      std::vector<std::string>{"flow.bins = 12 has no effect: it is read by flow.kind = spline or "
                               "elementwise_spline or autoregressive_spline, and it is real_nvp"});
  EXPECT_EQ(said_of({"flow.kind=spline", "flow.network=mlp", "flow.network_blocks=7"}),
            std::vector<std::string>{
                "flow.network_blocks = 7 has no effect: it is read by flow.network = residual or "
                "residual_mlp or equivariant, and it is mlp"});
  for (const std::vector<std::string>& settings : std::vector<std::vector<std::string>>{
           {"flow.kind=spline", "flow.steps=5"},
           {"flow.kind=spline", "flow.particle_types=[0, 1]"},
           {"flow.kind=residual", "flow.network_blocks=7"},
           {"flow.kind=spline", "training.probes=4"},
           {"flow.kind=spline", "flow.bumps=3"},
           {"base.kind=normal", "base.components=7"},
           {"base.kind=mixture", "base.truncation=7"},
           {"stochastic.kind=mala", "stochastic.leapfrog_steps=7"},
           {"stochastic.every=2"},
           {"flow.index_hidden=[7]"},
           {"data.target=two_moons", "exploration.particles=700"},
           {"data.target=two_moons", "particles.count=5"},
           {"molecule.energy_cut=5"},
           {"data.path=points.csv", "constants=[\"a=2\"]"},
           {"energy=x^2", "data.weights=w"},
           {"data.target=two_moons", "data.drop_duplicates=true"},
           {"training.schedule=constant", "training.decay_factor=0.1"},
           {"training.schedule=cosine", "training.milestones=[10, 20]"},
           {"training.schedule=step", "training.final_factor=0.5"},
           {"data.image_sigma=2"}})
    EXPECT_EQ(said_of(settings).size(), 1u) << settings.back();
}

TEST(UnusedSettings, AreNotThoseThatAreRead) {
  for (const std::vector<std::string>& settings : std::vector<std::vector<std::string>>{
           {"flow.kind=spline", "flow.bins=12", "flow.hidden=[7]", "training.batch_size=7"},
           {"flow.kind=real_nvp", "flow.network=residual", "flow.network_blocks=7"},
           {"flow.kind=continuous", "flow.network=equivariant", "flow.particle_types=[0, 1]",
            "flow.steps=5", "flow.network_blocks=3", "training.objective=flow_matching",
            "training.pairing=optimal_transport"},
           {"base.kind=normal", "base.conditional=proposal"},
           {"energy=a*x^2", "constants=[\"a=2\"]"},
           {"data.path=points.csv", "data.weights=w", "data.test_fraction=0.2"},
           {"training.schedule=step", "training.milestones=[10, 20]", "training.decay_factor=0.1"},
           {"training.schedule=one_cycle", "training.final_factor=0.5"},
           {"flow.kind=free_form", "flow.network=equivariant", "base.kind=normal",
            "base.dimensions=2"},
           {"flow.kind=autoregressive_spline", "flow.bins=12", "flow.dropout=0.1"},
           {"flow.kind=none", "flow.heads=true", "flow.bins=12", "flow.hidden=[7]"},
           {"base.kind=resampled", "base.proposal=mixture", "base.components=7",
            "base.truncation=7"},
           {"base.kind=resampled", "base.proposal=flow", "base.flow_blocks=7"},
           {"stochastic.kind=mala,hmc", "stochastic.leapfrog_steps=7", "stochastic.every=2"},
           {"flow.index_features=2", "flow.index_hidden=[7]"},
           {"training.objective=free_form", "training.probes=4",
            "training.reconstruction_search=true"},
           {"data.target=multi_double_well", "particles.temperature=2"},
           {"energy=x^2", "exploration.evaluations=50000", "exploration.particles=700"},
           // Its usual value has no other effect elsewhere.
           {"flow.kind=real_nvp", "flow.bins=8"}})
    EXPECT_EQ(said_of(settings), std::vector<std::string>()) << settings.back();
}

}  // namespace
}  // namespace thalweg
