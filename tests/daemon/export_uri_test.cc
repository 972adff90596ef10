#include "daemon/export_uri.h"

#include <gtest/gtest.h>

namespace blockd::daemon {
namespace {

TEST(ExportUri, NamesAUnixSocketInItsQuery) {
    EXPECT_EQ(export_uri(*io::Address::unix_path("/run/blockd.sock"), "demo"),
              "nbd+unix:///demo?socket=/run/blockd.sock");
}

TEST(ExportUri, NamesHostAndPort) {
    EXPECT_EQ(export_uri(*io::Address::ip("127.0.0.1", 10809), "demo"),
              "nbd://127.0.0.1:10809/demo");
    EXPECT_EQ(export_uri(*io::Address::ip("::1", 4711), "demo"), "nbd://[::1]:4711/demo");
}

TEST(ExportUri, AnAddressThatListensEverywhereIsReachedLocally) {
    EXPECT_EQ(export_uri(*io::Address::ip("0.0.0.0", 10809), "a"), "nbd://127.0.0.1:10809/a");
    EXPECT_EQ(export_uri(*io::Address::ip("::", 10809), "a"), "nbd://[::1]:10809/a");
}

TEST(ExportUri, PercentEncodesWhatAUriReserves) {
    EXPECT_EQ(export_uri(*io::Address::unix_path("/a b&c?.sock"), "x y#?%д/z"),
              "nbd+unix:///x%20y%23%3F%25%D0%B4/z?socket=/a%20b%26c%3F.sock");
}

TEST(ExportUri, AShellWordIsQuotedWhereItHasToBe) {
    EXPECT_EQ(shell_word("nbd://127.0.0.1:10809/demo"), "nbd://127.0.0.1:10809/demo");
    EXPECT_EQ(shell_word("a?b"), "'a?b'");
    EXPECT_EQ(shell_word("it's"), "'it'\\''s'");
    EXPECT_EQ(shell_word(""), "''");
}

}  // namespace
}  // namespace blockd::daemon
