#include "daemon/file_limit.h"

#include <gtest/gtest.h>

#include <sys/resource.h>

namespace blockd::daemon {
namespace {

class FileLimit : public ::testing::Test {
  protected:
    FileLimit() { getrlimit(RLIMIT_NOFILE, &before_); }
    ~FileLimit() override { setrlimit(RLIMIT_NOFILE, &before_); }

    void set_soft(rlim_t soft) {
        const rlimit limit = {.rlim_cur = soft, .rlim_max = before_.rlim_max};
        ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
    }
    static uint64_t soft() {
        rlimit limit{};
        getrlimit(RLIMIT_NOFILE, &limit);
        return limit.rlim_cur;
    }

    rlimit before_{};
};

TEST_F(FileLimit, IsRaisedToWhatIsWanted) {
    set_soft(128);
    EXPECT_EQ(raise_file_limit(200), 200u);
    EXPECT_EQ(soft(), 200u);
}

TEST_F(FileLimit, IsNeverLowered) {
    set_soft(256);
    EXPECT_EQ(raise_file_limit(100), 256u);
    EXPECT_EQ(soft(), 256u);
}

TEST_F(FileLimit, StopsAtWhatTheSystemAllows) {
    set_soft(128);
    const uint64_t limit = raise_file_limit(UINT64_MAX);
    EXPECT_EQ(limit, file_limit_max(before_.rlim_max));
    EXPECT_EQ(soft(), limit);
}

}  // namespace
}  // namespace blockd::daemon
