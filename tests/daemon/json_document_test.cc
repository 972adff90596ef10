#include "daemon/json_document.h"

#include <gtest/gtest.h>

namespace blockd::daemon {
namespace {

TEST(JsonDocument, BecomesATree) {
    const JsonDocument document =
        parse_json(R"({"a": [1, -2, 2.5, 3.0, "x", true, null], "b": {"c": {}}})");
    ASSERT_TRUE(document.is_complete);
    EXPECT_TRUE(document.complaints.empty());
    ASSERT_EQ(document.root.members.size(), 2u);
    EXPECT_EQ(document.root.members[0].key, "a");

    const std::vector<JsonValue>& list = document.root.members[0].value.elements;
    ASSERT_EQ(list.size(), 7u);
    EXPECT_TRUE(list[0].is_count);
    EXPECT_EQ(list[0].count, 1u);
    EXPECT_FALSE(list[1].is_count);
    EXPECT_EQ(list[1].text, "-2");
    EXPECT_FALSE(list[2].is_count);
    EXPECT_TRUE(list[3].is_count) << "3.0 is a whole number, as JSON Schema has it";
    EXPECT_EQ(list[3].count, 3u);
    EXPECT_EQ(list[4].kind, JsonValue::Kind::string);
    EXPECT_EQ(list[4].text, "x");
    EXPECT_TRUE(list[5].boolean);
    EXPECT_EQ(list[6].kind, JsonValue::Kind::null);
    EXPECT_EQ(document.root.members[1].value.members[0].value.kind, JsonValue::Kind::object);
}

TEST(JsonDocument, ASyntaxErrorHasItsLineAndColumn) {
    const JsonDocument document = parse_json("{\n  \"a\": 1,\n  \"b\": ?\n}");
    EXPECT_FALSE(document.is_complete);
    ASSERT_EQ(document.complaints.size(), 1u);
    EXPECT_EQ(document.complaints[0].path, "line 3, column 8");
    EXPECT_EQ(document.complaints[0].allowed.find("syntax error"), 0u);
}

TEST(JsonDocument, EveryCutOfADocumentIsASyntaxError) {
    const std::string text = R"({"a": [1, true, "x\n"], "b": {"c": null}})";
    for (size_t size = 0; size < text.size(); ++size) {
        const JsonDocument document = parse_json(std::string_view(text).substr(0, size));
        EXPECT_FALSE(document.is_complete) << size;
        EXPECT_EQ(document.complaints.size(), 1u) << size;
    }
    EXPECT_TRUE(parse_json(text).is_complete);
}

TEST(JsonDocument, EveryDuplicateKeyIsNamed) {
    const JsonDocument document =
        parse_json(R"({"a": 1, "b": [{"c": 1, "c": 2}], "a": {"x": 3}, "a": 4})");
    EXPECT_TRUE(document.is_complete);
    ASSERT_EQ(document.complaints.size(), 3u);
    EXPECT_EQ(document.complaints[0].path, "/b/0/c");
    EXPECT_EQ(document.complaints[1].path, "/a");
    EXPECT_EQ(document.complaints[1].value, R"({"x":3})");
    EXPECT_EQ(document.complaints[2].value, "4");
}

TEST(JsonDocument, DepthIsBounded) {
    const std::string deepest = std::string(json_depth_max, '[') + std::string(json_depth_max, ']');
    EXPECT_TRUE(parse_json(deepest).is_complete);
    const JsonDocument document = parse_json(std::string(1'000'000, '['));
    EXPECT_FALSE(document.is_complete);
    ASSERT_EQ(document.complaints.size(), 1u);
    EXPECT_EQ(document.complaints[0].allowed, "nested too deeply: at most 16 levels");
}

TEST(JsonDocument, WhatJsonDoesNotAllowIsRefused) {
    for (const char* const text :
         {"{'a': 1}", "{\"a\": 1,}", "// comment\n{}", "{} {}", "{\"a\": 01}", "{\"a\": NaN}",
          "{\"a\": \"\xff\"}", "{\"a\": \"\xed\xa0\x80\"}", "{\"a\": \"\\ud800\"}"}) {
        EXPECT_FALSE(parse_json(text).is_complete) << text;
    }
}

TEST(JsonDocument, NumbersBeyond64BitsAreNoCounts) {
    const JsonDocument document = parse_json("[18446744073709551615, 18446744073709551616, 1e300]");
    ASSERT_TRUE(document.is_complete);
    EXPECT_TRUE(document.root.elements[0].is_count);
    EXPECT_FALSE(document.root.elements[1].is_count);
    EXPECT_FALSE(document.root.elements[2].is_count);
}

TEST(JsonDocument, TextOfALongValueIsCutBetweenCharacters) {
    const std::string text = json_text(JsonValue::of_string(std::string(59, 'x') + "дддд"));
    EXPECT_EQ(text, '"' + std::string(59, 'x') + "...");
}

TEST(JsonDocument, PathsEscapeTildesAndSlashes) {
    EXPECT_EQ(json_path("/a", "b/c~d"), "/a/b~1c~0d");
    EXPECT_EQ(json_path("/exports", size_t(3)), "/exports/3");
}

}  // namespace
}  // namespace blockd::daemon
