// When workers worked, for --trace and `bench --phases`.
#pragma once

#include <cstdint>
#include <vector>

namespace gemmac::rt {

/// When one worker worked: the start of the step, then of each barrier (the last ends the step) when it came
/// and when it went on, which of the last only worker 0 notes; ns of the steady clock. Nothing is noted
/// beyond the capacity.
struct alignas(64) WorkerTimes {
  std::vector<int64_t> ns;
};

} // namespace gemmac::rt
