// Targets in the plane.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "thalweg/targets/target.h"

namespace thalweg {

/// Stimper, Schoelkopf, Hernandez-Lobato 2022, Table 8, with its misprints put right: with r the
/// norm of x, log density -(r - 2)^2 / 0.08 + log(sum over +-2 of exp(-(x_1 -+ 2)^2 / 0.18)). Not
/// normalised; its highest value is 0.
std::unique_ptr<Target> make_dual_moon();
/// The same table: eight Gaussians of variance (2 - sqrt(2)) / 9 on a circle of radius 2,
/// normalised.
std::unique_ptr<Target> make_circle_of_gaussians();
/// The same table: log(exp(-32 (r - 1)^2) + exp(-32 (r - 2)^2)). Not normalised.
std::unique_ptr<Target> make_two_rings();

/// Two interleaved half circles of radius 1, centred at (-0.5, -0.25) and (0.5, 0.25) and blurred
/// with standard deviation 0.1. So that the density can be evaluated, each is a row of 32 equal
/// Gaussians, whose density differs from that of the blurred arc by less than 1e-7 of it but for
/// the ends. Normalised.
std::unique_ptr<Target> make_two_moons();

/// Wu, Koehler, Noe 2020: log density 0.5 x_1 + 6 x_1^2 - x_1^4 - x_2^2 / 2, two wells of which the
/// right one holds 84 % of the mass. Not normalised.
std::unique_ptr<Target> make_double_well();

/// `count` equal Gaussians of standard deviation `deviation` on a ring whose radius makes the mean
/// variance of the two features 1. Normalised. Throws ConfigError unless count >= 2 and 0 <
/// deviation < 1.
std::unique_ptr<Target> make_ring_of_gaussians(std::string name, int count, double deviation);
/// `side` x `side` equal Gaussians of standard deviation `deviation`, `spacing` apart, around 0.
/// Normalised. Throws ConfigError unless side >= 1 and both lengths are positive.
std::unique_ptr<Target> make_grid_of_gaussians(std::string name, int side, double spacing,
                                               double deviation);

/// Two angles whose ridge crosses the seam: log density 2 cos(x_1 - pi) + 4 cos(x_2 - 2 x_1), so
/// that x_1 is von Mises distributed around pi and x_2 around 2 x_1. Not normalised.
std::unique_ptr<Target> make_two_angles();

}  // namespace thalweg
