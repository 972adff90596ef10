#include "daemon/error_text.h"

#include <gtest/gtest.h>

#include <cerrno>

namespace blockd::daemon {
namespace {

TEST(ErrorText, NamesTheStepTheReasonAndTheSystemsWord) {
    EXPECT_EQ(error_text({ErrorCode::address_in_use, EADDRINUSE, "bind"}),
              "bind: another server listens there (Address already in use)");
    EXPECT_EQ(error_text({ErrorCode::no_memory, 0, ""}), "no memory is left");
}

}  // namespace
}  // namespace blockd::daemon
