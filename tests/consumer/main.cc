// Uses the installed headers: equal counters give equal numbers, and errors carry their message.
#include <string>

#include "thalweg/core/error.h"
#include "thalweg/core/random.h"

int main() {
  thalweg::RandomSequence first(1, thalweg::Stream::kSampling);
  thalweg::RandomSequence second(1, thalweg::Stream::kSampling);
  if (first.normal() != second.normal()) return 1;
  try {
    thalweg::fail<thalweg::DataError>("expected {}", 3);
  } catch (const thalweg::Error& error) {
    return std::string(error.what()) == "expected 3" ? 0 : 1;
  }
}
