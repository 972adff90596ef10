// A server's log that keeps nothing, and allocates nothing.
#pragma once

#include <span>
#include <string_view>

#include "server/log.h"

namespace blockd::support {

class SilentLog final : public server::Log {
  public:
    void write(server::LogLevel, std::string_view, std::span<const server::LogField>) override {}
};

}  // namespace blockd::support
