#include "nbd/printable.h"

#include <gtest/gtest.h>

#include "nbd/reply.h"
#include "nbd/request.h"
#include "nbd/wire_error.h"

namespace blockd::nbd {
namespace {

TEST(Printable, LeavesTextAsItIs) {
    EXPECT_EQ(printable("no such export: d\xc3\xa9mo \xe2\x82\xac"),
              "no such export: d\xc3\xa9mo \xe2\x82\xac");
}

TEST(Printable, TakesTheTeethOutOfControlCharacters) {
    EXPECT_EQ(printable("\x1b[2J\r\n\x7f"), "\\x1b[2J\\x0d\\x0a\\x7f");
    EXPECT_EQ(printable("a\xc2\x9b"
                        "b"),
              "a\\xc2\\x9b"
              "b")
        << "a C1 control";
    EXPECT_EQ(printable("\xff\xfe"), "\\xff\\xfe");
    EXPECT_EQ(printable("\xc2"), "\\xc2");
}

TEST(Printable, EndsAtItsBound) {
    EXPECT_EQ(printable_front(std::string(5000, 'x')).size(), printable_size_max);
}

TEST(WireErrors, BecomeErrorCodes) {
    EXPECT_EQ(error_code_of(WireError::not_permitted), ErrorCode::permission);
    EXPECT_EQ(error_code_of(WireError::io), ErrorCode::disk);
    EXPECT_EQ(error_code_of(WireError::no_memory), ErrorCode::no_memory);
    EXPECT_EQ(error_code_of(WireError::no_space), ErrorCode::no_space);
    EXPECT_EQ(error_code_of(WireError::invalid), ErrorCode::invalid);
    EXPECT_EQ(error_code_of(WireError::not_supported), ErrorCode::not_supported);
    EXPECT_EQ(error_code_of(WireError::shutting_down), ErrorCode::connection_reset);
    EXPECT_EQ(error_code_of(WireError(77)), ErrorCode::invalid) << "as the specification asks";
    EXPECT_STRNE(words_of(WireError(77)), "");
}

}  // namespace
}  // namespace blockd::nbd
