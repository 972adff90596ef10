#include <blockd/client/uri.h>

#include <gtest/gtest.h>

namespace blockd::client {
namespace {

Uri parsed(std::string_view text) {
    const std::variant<Uri, std::string> result = parse_uri(text);
    if (const std::string* const wrong = std::get_if<std::string>(&result)) {
        ADD_FAILURE() << text << ": " << *wrong;
        return {};
    }
    return std::get<Uri>(result);
}

std::string complaint(std::string_view text) {
    const std::variant<Uri, std::string> result = parse_uri(text);
    const std::string* const wrong = std::get_if<std::string>(&result);
    return wrong == nullptr ? "" : *wrong;
}

TEST(Uri, NamesHostPortAndExport) {
    const Uri uri = parsed("nbd://example.org:1234/disk0");
    EXPECT_FALSE(uri.is_unix);
    EXPECT_EQ(uri.host, "example.org");
    EXPECT_EQ(uri.port, 1234u);
    EXPECT_EQ(uri.export_name, "disk0");
}

TEST(Uri, HasDefaults) {
    for (const std::string_view text : {"nbd://", "nbd:///", "nbd://localhost", "NBD://localhost/",
                                        "nbd://localhost:/", "nbd://localhost:10809"}) {
        const Uri uri = parsed(text);
        EXPECT_EQ(uri.host, "localhost") << text;
        EXPECT_EQ(uri.port, 10809u);
        EXPECT_EQ(uri.export_name, "");
    }
}

TEST(Uri, TakesIpv6InBrackets) {
    EXPECT_EQ(parsed("nbd://[::1]/x").host, "::1");
    EXPECT_EQ(parsed("nbd://[::1]/x").port, 10809u);
    EXPECT_EQ(parsed("nbd://[fe80::1%25eth0]:99/x").host, "fe80::1%eth0");
    EXPECT_EQ(parsed("nbd://[fe80::1%25eth0]:99/x").port, 99u);
}

TEST(Uri, NamesASocket) {
    const Uri uri = parsed("nbd+unix:///disk0?socket=/run/blockd/a%20b.sock");
    EXPECT_TRUE(uri.is_unix);
    EXPECT_EQ(uri.socket_path, "/run/blockd/a b.sock");
    EXPECT_EQ(uri.export_name, "disk0");
    EXPECT_EQ(parsed("nbd+unix://?socket=x").export_name, "");
    EXPECT_EQ(parsed("nbd+unix:///?other=1&socket=x&more").socket_path, "x");
}

TEST(Uri, UndoesPercentEncodingOnce) {
    EXPECT_EQ(parsed("nbd://h/a%2Fb%3fc%25%32%30").export_name, "a/b?c%20");
    EXPECT_EQ(parsed("nbd://h//a/b").export_name, "/a/b") << "only one slash is the separator";
    EXPECT_EQ(parsed("nbd://h/%C3%A9").export_name, "\xc3\xa9");
}

TEST(Uri, GoesRoundTrip) {
    for (const std::string_view export_name :
         {"", "disk0", "/a/b", "a b?c#d&e=f%25", "\xc3\xa9", "?socket=x"}) {
        for (const std::string_view host : {"localhost", "10.0.0.1", "::1", "fe80::1%eth0"}) {
            for (const uint16_t port : {uint16_t(1), uint16_t(10809), uint16_t(65535)}) {
                const Uri uri = {.host = std::string(host),
                                 .port = port,
                                 .export_name = std::string(export_name)};
                const Uri again = parsed(uri.text());
                EXPECT_EQ(again.host, host) << uri.text();
                EXPECT_EQ(again.port, port);
                EXPECT_EQ(again.export_name, export_name);
                EXPECT_FALSE(again.is_unix);
            }
        }
        const Uri uri = {.is_unix = true,
                         .socket_path = "/run/a&b=c?d#e f%20",
                         .export_name = std::string(export_name)};
        const Uri again = parsed(uri.text());
        EXPECT_TRUE(again.is_unix);
        EXPECT_EQ(again.socket_path, uri.socket_path) << uri.text();
        EXPECT_EQ(again.export_name, export_name);
    }
}

TEST(Uri, TextLeavesTheDefaultPortOut) {
    EXPECT_EQ(parsed("nbd://h:10809/x").text(), "nbd://h/x");
    EXPECT_EQ(parsed("nbd://[::1]:9/x").text(), "nbd://[::1]:9/x");
    EXPECT_EQ(parsed("nbd+unix:///x?socket=/s").text(), "nbd+unix:///x?socket=/s");
}

TEST(Uri, SaysWhatIsWrongAndWhatIsAllowed) {
    const std::pair<std::string_view, std::string_view> wrong[] = {
        {"",
         "'' is not an NBD URI: nbd://host[:port]/export or "
         "nbd+unix:///export?socket=PATH is expected"},
        {"disk.img",
         "'disk.img' is not an NBD URI: nbd://host[:port]/export or "
         "nbd+unix:///export?socket=PATH is expected"},
        {"http://h/",
         "'http://h/' is not an NBD URI: nbd://host[:port]/export or "
         "nbd+unix:///export?socket=PATH is expected"},
        {"nbds://h/x", "TLS is not supported: 'nbds://h/x' asks for it; nbd:// does not"},
        {"nbds+unix:///?socket=s",
         "TLS is not supported: 'nbds+unix:///?socket=s' asks for it; nbd:// does not"},
        {"nbd://h/?tls-certificates=d", "TLS is not supported: 'tls-certificates' asks for it"},
        {"nbd://alice@h/", "a user name ('alice@h') needs TLS, which is not supported"},
        {"nbd://h:0/", "port '0' is not a number from 1 to 65535"},
        {"nbd://h:65536/", "port '65536' is not a number from 1 to 65535"},
        {"nbd://h:12a/", "port '12a' is not a number from 1 to 65535"},
        {"nbd://h:-1/", "port '-1' is not a number from 1 to 65535"},
        {"nbd://::1/", "an IPv6 address stands in brackets: nbd://[::1]/"},
        {"nbd://[::1/", "'[::1' is not an IPv6 address in brackets, like [::1]:10809"},
        {"nbd://[::1]x/", "'[::1]x' is not an IPv6 address in brackets, like [::1]:10809"},
        {"nbd://h/%", "the percent-encoding of export '%' is malformed"},
        {"nbd://h/%4", "the percent-encoding of export '%4' is malformed"},
        {"nbd://h/%zz", "the percent-encoding of export '%zz' is malformed"},
        {"nbd://h/a%00b", "the percent-encoding of export 'a%00b' is malformed"},
        {"nbd://h/%ff", "the export's name is longer than 4096 bytes, or not valid UTF-8"},
        {"nbd://h/x#y",
         "'nbd://h/x#y' has a fragment, which NBD does not know; '#' is written %23"},
        {"nbd://h/x?socket=s", "a socket goes with nbd+unix://, not with nbd://"},
        {"nbd+unix:///x", "nbd+unix:// needs a socket: nbd+unix:///export?socket=PATH is expected"},
        {"nbd+unix:///x?socket=",
         "nbd+unix:// needs a socket: nbd+unix:///export?socket=PATH is expected"},
        {"nbd+unix://h/x?socket=s",
         "nbd+unix:// takes no host, but 'h' stands there: nbd+unix:///export?socket=PATH is "
         "expected"},
        {"nbd+unix:///x?socket=%1", "the percent-encoding of socket '%1' is malformed"},
    };
    for (const auto& [text, expected] : wrong) EXPECT_EQ(complaint(text), expected) << text;
}

TEST(Uri, ExportNamesEndAt4096Bytes) {
    EXPECT_EQ(parsed("nbd://h/" + std::string(4096, 'x')).export_name.size(), 4096u);
    EXPECT_NE(complaint("nbd://h/" + std::string(4097, 'x')), "");
}

TEST(Uri, IsToldFromAFile) {
    for (const std::string_view text :
         {"nbd://", "NBD://h", "nbds://h", "nbd+unix:///", "nbds+x://"}) {
        EXPECT_TRUE(looks_like_uri(text)) << text;
    }
    for (const std::string_view text :
         {"", "disk.img", "nbd", "nbd:x", "/nbd://", "http://h", "./nbd+unix:x"}) {
        EXPECT_FALSE(looks_like_uri(text)) << text;
    }
}

}  // namespace
}  // namespace blockd::client
