// What blockd's exit code says: see blockd(8).
#pragma once

#include <cstdint>

namespace blockd::daemon::exit_code {

inline constexpr int32_t clean = 0;
inline constexpr int32_t start_failed = 1;
inline constexpr int32_t wrong_config = 2;  // Or wrong usage.
inline constexpr int32_t unclean = 3;       // A sync failed, or requests were cut off.

}  // namespace blockd::daemon::exit_code
