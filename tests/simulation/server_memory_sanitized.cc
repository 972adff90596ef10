// For builds with a sanitizer, which brings an operator new of its own.
#include "simulation/server_memory.h"

namespace blockd::simulation {

InsideOfServer::InsideOfServer() = default;
InsideOfServer::~InsideOfServer() = default;
OutsideOfServer::OutsideOfServer() : was_inside_(false) {}
OutsideOfServer::~OutsideOfServer() = default;

void end_of_server_memory() {}

}  // namespace blockd::simulation

// A server that is killed leaks all that it had: that is what killing means here.
extern "C" const char* __asan_default_options();                              // NOLINT
extern "C" const char* __asan_default_options() { return "detect_leaks=0"; }  // NOLINT
