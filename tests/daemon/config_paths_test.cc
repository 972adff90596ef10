#include "daemon/config.h"

#include <gtest/gtest.h>

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "support/temporary_directory.h"

namespace blockd::daemon {
namespace {

// While it lives, a process of the superuser acts as nobody, so that permissions count.
class Nobody {
  public:
    Nobody() {
        if (geteuid() == 0) {
            EXPECT_EQ(seteuid(65534), 0);
        }
    }
    ~Nobody() {
        if (getuid() == 0) {
            EXPECT_EQ(seteuid(0), 0);
        }
    }
};

class ConfigPaths : public ::testing::Test {
  protected:
    ConfigPaths() { chmod(folder_.path().c_str(), 0755); }

    // What is said about one export of this file.
    std::string complaint_about(const std::string& file, bool create = false,
                                bool is_read_only = false) {
        Config config;
        config.exports.push_back({.name = "a",
                                  .file = file,
                                  .size = size_,
                                  .create = create,
                                  .is_read_only = is_read_only});
        return text_of(check_paths(config));
    }
    std::string complaint_about_socket(const std::string& path) {
        Config config;
        config.listeners.push_back({.address = *io::Address::unix_path(path)});
        return text_of(check_paths(config));
    }
    std::string complaint_about_log(const std::string& path) {
        Config config;
        config.log.file = path;
        return text_of(check_paths(config));
    }
    std::string complaint_about_record(const std::string& path) {
        Config config;
        config.io.record = path;
        return text_of(check_paths(config));
    }
    static std::string text_of(const Complaints& complaints) {
        std::string text;
        for (const Complaint& complaint : complaints) text += complaint_text("c", complaint);
        return text;
    }
    std::string file(std::string_view name) const { return folder_.file(name); }
    std::string quoted(std::string_view name) const { return '"' + file(name) + '"'; }

    support::TemporaryDirectory folder_;
    uint64_t size_ = 1;  // That is configured.
};

TEST_F(ConfigPaths, WhatExistsOrCanBeMadeIsFine) {
    support::write_file(file("a.img"), "data");
    EXPECT_EQ(complaint_about(file("a.img")), "");
    EXPECT_EQ(complaint_about(file("a.img"), true), "");
    EXPECT_EQ(complaint_about(file("new.img"), true), "");
    EXPECT_EQ(complaint_about_socket(file("b.sock")), "");
    EXPECT_EQ(complaint_about_log(file("b.log")), "");
    EXPECT_EQ(complaint_about_log("/dev/stderr"), "");
    EXPECT_FALSE(std::filesystem::exists(file("new.img"))) << "a check makes nothing";
    EXPECT_FALSE(std::filesystem::exists(file("b.sock")));
    EXPECT_FALSE(std::filesystem::exists(file("b.log")));
}

TEST_F(ConfigPaths, AMissingFileIsNamed) {
    EXPECT_EQ(complaint_about(file("no.img")),
              "c: /exports/0/file: " + quoted("no.img") +
                  ": a file that exists, or \"create\": true with a \"size\" to make it");
}

TEST_F(ConfigPaths, AMissingFolderIsNamed) {
    const std::string reason = ": a path in a folder that exists; " + file("no") + " does not";
    EXPECT_EQ(complaint_about(file("no/a.img"), true),
              "c: /exports/0/file: " + quoted("no/a.img") + reason);
    EXPECT_EQ(complaint_about_socket(file("no/b.sock")),
              "c: /listeners/0/unix: " + quoted("no/b.sock") + reason);
    EXPECT_EQ(complaint_about_log(file("no/b.log")),
              "c: /log/file: " + quoted("no/b.log") + reason);
}

TEST_F(ConfigPaths, AFolderIsNoFile) {
    std::filesystem::create_directory(file("sub"));
    EXPECT_EQ(complaint_about(file("sub")),
              "c: /exports/0/file: " + quoted("sub") + ": a file; this is a folder");
    EXPECT_EQ(complaint_about_log(file("sub")),
              "c: /log/file: " + quoted("sub") + ": a file; this is a folder");
}

TEST_F(ConfigPaths, ARecordIsANewFile) {
    EXPECT_EQ(complaint_about_record(file("new")), "");
    support::write_file(file("old"), "x");
    EXPECT_EQ(complaint_about_record(file("old")),
              "c: /io/record: " + quoted("old") +
                  ": a file that does not exist: a record is never overwritten");
    EXPECT_EQ(complaint_about_record(file("none/new")), "c: /io/record: " + quoted("none/new") +
                                                            ": a path in a folder that exists; " +
                                                            file("none") + " does not");
}

TEST_F(ConfigPaths, AFileIsNoFolder) {
    support::write_file(file("plain"), "x");
    EXPECT_EQ(complaint_about_socket(file("plain/b.sock")),
              "c: /listeners/0/unix: " + quoted("plain/b.sock") + ": a path in a folder; " +
                  file("plain") + " is none");
}

TEST_F(ConfigPaths, AFifoIsNoDataFile) {
    ASSERT_EQ(mkfifo(file("fifo").c_str(), 0600), 0);
    EXPECT_EQ(complaint_about(file("fifo")),
              "c: /exports/0/file: " + quoted("fifo") + ": a regular file; this is something else");
}

// What the start would refuse must not pass a check.
TEST_F(ConfigPaths, ABlockDeviceIsNoDataFile) {
    const std::string device = file("device");
    if (mknod(device.c_str(), S_IFBLK | 0600, dev_t(1)) != 0) {
        GTEST_SKIP() << "only the superuser makes devices";
    }
    EXPECT_EQ(complaint_about(device), "c: /exports/0/file: " + quoted("device") +
                                           ": a regular file; this is something else");
}

TEST_F(ConfigPaths, AFileIsAtLeastAsLongAsItsSize) {
    support::write_file(file("a.img"), "data");
    size_ = 4;
    EXPECT_EQ(complaint_about(file("a.img")), "");
    for (const bool create : {false, true}) {
        size_ = 5;
        EXPECT_EQ(complaint_about(file("a.img"), create),
                  "c: /exports/0/size: 5: at most 4 bytes, as many as " + file("a.img") +
                      " has; or a larger file");
    }
}

TEST_F(ConfigPaths, AnEmptyFileIsNoDisk) {
    support::write_file(file("a.img"), "");
    size_ = 0;
    EXPECT_EQ(complaint_about(file("a.img")),
              "c: /exports/0/size: 0: a file of at least 1 byte; " + file("a.img") + " is empty");
}

TEST_F(ConfigPaths, TheLogIsNotWrittenIntoADataFile) {
    support::write_file(file("a.img"), "x");
    std::filesystem::create_hard_link(file("a.img"), file("hard.img"));
    for (const char* const log : {"a.img", "hard.img", "new.img"}) {
        Config config;
        config.exports.push_back({.name = "a", .file = file("a.img")});
        config.exports.push_back(
            {.name = "b", .file = file("new.img"), .size = 4096, .create = true});
        config.log.file = file(log);
        EXPECT_EQ(text_of(check_paths(config)),
                  "c: /log/file: " + quoted(log) + ": a file of its own; this is that of " +
                      (log == std::string_view("new.img") ? "/exports/1/file" : "/exports/0/file"));
    }
}

TEST_F(ConfigPaths, ASocketNeverReplacesAnotherKindOfFile) {
    support::write_file(file("precious"), "x");
    EXPECT_EQ(complaint_about_socket(file("precious")),
              "c: /listeners/0/unix: " + quoted("precious") +
                  ": a path that is free or an old socket; this is another kind of file");
}

TEST_F(ConfigPaths, PermissionsCount) {
    support::write_file(file("a.img"), "x");
    chmod(file("a.img").c_str(), 0444);
    support::write_file(file("secret.img"), "x");
    chmod(file("secret.img").c_str(), 0000);
    chmod(folder_.path().c_str(), 0555);
    const Nobody nobody;
    EXPECT_EQ(complaint_about(file("a.img")),
              "c: /exports/0/file: " + quoted("a.img") +
                  ": a file that blockd may read and write: Permission denied (or \"read_only\": "
                  "true)");
    EXPECT_EQ(complaint_about(file("a.img"), false, true), "");
    EXPECT_EQ(complaint_about(file("secret.img"), false, true),
              "c: /exports/0/file: " + quoted("secret.img") +
                  ": a file that blockd may read: Permission denied");
    EXPECT_EQ(complaint_about(file("new.img"), true),
              "c: /exports/0/file: " + quoted("new.img") +
                  ": a path in a folder that blockd may write to; " + folder_.path() +
                  ": Permission denied");
    EXPECT_EQ(
        complaint_about_log(file("a.img")),
        "c: /log/file: " + quoted("a.img") + ": a file that blockd may write: Permission denied");
}

TEST_F(ConfigPaths, OneFileIsOneExport) {
    support::write_file(file("a.img"), "x");
    std::filesystem::create_symlink(file("a.img"), file("symbolic.img"));
    std::filesystem::create_hard_link(file("a.img"), file("hard.img"));
    for (const char* const other : {"a.img", "symbolic.img", "hard.img", "../"}) {
        const std::string path =
            other == std::string_view("../")
                ? folder_.path() + "/../" +
                      std::filesystem::path(folder_.path()).filename().string() + "/a.img"
                : file(other);
        Config config;
        config.exports.push_back({.name = "a", .file = file("a.img")});
        config.exports.push_back({.name = "b", .file = path});
        EXPECT_EQ(text_of(check_paths(config)),
                  "c: /exports/1/file: \"" + path +
                      "\": a file of its own; this is that of /exports/0/file");
    }
}

TEST_F(ConfigPaths, OneNewFileIsOneExportToo) {
    Config config;
    for (const char* const name : {"a", "b"}) {
        config.exports.push_back(
            {.name = name, .file = file("new.img"), .size = 4096, .create = true});
    }
    EXPECT_EQ(text_of(check_paths(config)),
              "c: /exports/1/file: " + quoted("new.img") +
                  ": a file of its own; this is that of /exports/0/file");
}

TEST_F(ConfigPaths, AConfigFileThatCannotBeReadSaysWhy) {
    EXPECT_EQ(text_of(load_config(file("no.json")).complaints),
              "c: cannot read it: No such file or directory");
    EXPECT_EQ(text_of(load_config(folder_.path()).complaints),
              "c: a folder; a file of JSON is needed");
    support::write_file(file("large.json"), std::string(config_size_max + 1, ' '));
    EXPECT_EQ(text_of(load_config(file("large.json")).complaints), "c: at most 1 MiB long");
}

TEST_F(ConfigPaths, RelativePathsStartAtTheConfigsFolder) {
    std::filesystem::create_directory(file("etc"));
    std::filesystem::create_directory(file("data"));
    support::write_file(file("data/a.img"), "x");
    support::write_file(file("etc/b.json"),
                        R"({"listeners": [{"unix": "../data/b.sock"}],
                            "exports": [{"name": "a", "file": "../data/a.img"}]})");
    // Through a link as well: where the file lies counts, not where its link does.
    std::filesystem::create_symlink(file("etc/b.json"), file("link.json"));
    const std::string data = std::filesystem::canonical(file("data")).string();
    for (const char* const name : {"etc/b.json", "link.json"}) {
        const ConfigResult result = load_config(file(name));
        EXPECT_EQ(text_of(result.complaints), "");
        EXPECT_EQ(result.config.exports[0].file, data + "/a.img");
        EXPECT_EQ(result.config.listeners[0].address.path(), data + "/b.sock");
    }
}

TEST_F(ConfigPaths, ComplaintsOfFormAndOfPathsComeTogether) {
    support::write_file(file("b.json"),
                        R"({"listeners": [{"unix": 4}, {"unix": "no/b.sock"}],
                            "exports": [{"name": "a", "file": "no.img", "file": "x"}],
                            "log": {"level": "loud"}})");
    std::vector<std::string> paths;
    for (const Complaint& complaint : load_config(file("b.json")).complaints) {
        paths.push_back(complaint.path);
    }
    const std::vector<std::string> expected = {"/exports/0/file", "/listeners/0/unix", "/log/level",
                                               "/listeners/1/unix", "/exports/0/file"};
    EXPECT_EQ(paths, expected);
}

}  // namespace
}  // namespace blockd::daemon
