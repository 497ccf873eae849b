// Initial values of a network's parameters, drawn on the CPU from (seed, stage) or computed by the
// golden formula.
//
// Invariant: a value depends on its parameter's place in the list and its index alone, not on
// threads.
#pragma once

#include <cstdint>

#include "model/network.h"

namespace medcoss {

/// Values as listed with the parameters; normal ones by Box-Muller. Fixed positions get their sines
/// and cosines.
void draw_initial_weights(const Network& network, uint64_t seed, uint32_t stage);

/// Values of the golden formula, whatever the parameter's own rule.
void fill_by_formula(const Network& network, uint64_t seed);

}  // namespace medcoss
