#include "io/record_file.h"

#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/stat.h>

#include <string>

#include "support/record_reader.h"
#include "support/temporary_directory.h"

namespace blockd::io {
namespace {

using support::RecordedKind;

class RecordOnDisk : public testing::Test {
  protected:
    std::unique_ptr<RecordFile> create() {
        Result<std::unique_ptr<RecordFile>> file = RecordFile::create(path_);
        EXPECT_TRUE(file);
        return file ? std::move(*file) : nullptr;
    }
    support::Record record() const { return support::read_record(path_); }

    const support::TemporaryDirectory folder_;
    const std::string path_ = folder_.file("record");
};

std::span<const std::byte> bytes_of(std::string_view text) {
    return std::as_bytes(std::span(text.data(), text.size()));
}

TEST_F(RecordOnDisk, IsForItsOwnersEyesAlone) {
    const auto file = create();
    struct stat status {};
    ASSERT_EQ(stat(path_.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777u, 0600u);
}

TEST_F(RecordOnDisk, IsNeverOverwritten) {
    support::write_file(path_, "precious");
    const Result<std::unique_ptr<RecordFile>> file = RecordFile::create(path_);
    ASSERT_FALSE(file);
    EXPECT_EQ(file.error().code, ErrorCode::exists);
    EXPECT_EQ(support::read_file(path_), "precious");
    EXPECT_FALSE(RecordFile::create(folder_.file("no/folder")));
}

TEST_F(RecordOnDisk, ReadsAsItWasWritten) {
    auto file = create();
    file->append(
        {.kind = RecordKind::write, .operation = 1, .file = Fd{7}, .offset = 4096, .size = 5},
        bytes_of("hello"));
    file->append({.kind = RecordKind::done, .operation = 1, .file = Fd{7}, .result = -28});
    EXPECT_TRUE(file->finish());
    const support::Record read = record();
    EXPECT_EQ(read.fault, "");
    EXPECT_TRUE(read.is_whole);
    ASSERT_EQ(read.events.size(), 3u);
    EXPECT_EQ(read.events[0].kind, RecordedKind::write);
    EXPECT_EQ(read.events[0].operation, 1u);
    EXPECT_EQ(read.events[0].file, 7u);
    EXPECT_EQ(read.events[0].offset, 4096u);
    EXPECT_EQ(read.events[0].size, 5u);
    EXPECT_EQ(read.events[0].payload, "hello");
    EXPECT_EQ(read.events[1].kind, RecordedKind::done);
    EXPECT_EQ(read.events[1].result, -28);
    EXPECT_EQ(read.events[2].kind, RecordedKind::end);
}

TEST_F(RecordOnDisk, KeepsTheHeadOfALargePiece) {
    std::string head(16, 'h');
    std::string data(record_piece_size_max + 1, 'd');
    const std::array<IoVector, 2> pieces = {IoVector{head.data(), head.size()},
                                            IoVector{data.data(), data.size()}};
    auto file = create();
    file->append_send({.kind = RecordKind::send, .size = head.size() + data.size()}, pieces);
    EXPECT_TRUE(file->flush());
    const support::Record read = record();
    EXPECT_EQ(read.fault, "");
    ASSERT_EQ(read.events.size(), 1u);
    ASSERT_EQ(read.events[0].pieces.size(), 2u);
    EXPECT_EQ(read.events[0].pieces[0].bytes, head);
    EXPECT_EQ(read.events[0].pieces[1].size, record_piece_size_max + 1);
    EXPECT_EQ(read.events[0].pieces[1].bytes, data.substr(0, record_piece_size_max));
}

TEST_F(RecordOnDisk, IsNotWholeWithoutItsEnd) {
    auto file = create();
    file->append({.kind = RecordKind::sync});
    EXPECT_TRUE(file->flush());
    file.reset();
    EXPECT_EQ(record().fault, "");
    EXPECT_EQ(record().events.size(), 1u);
    EXPECT_FALSE(record().is_whole);
}

TEST_F(RecordOnDisk, IsNotWholeWithAnEntryMissingOrCutOff) {
    auto file = create();
    for (int count = 0; count < 3; ++count) file->append({.kind = RecordKind::sync});
    EXPECT_TRUE(file->finish());
    const std::string bytes = support::read_file(path_);
    ASSERT_TRUE(support::parse_record(bytes).is_whole);
    for (size_t size = 0; size < bytes.size(); ++size) {
        EXPECT_FALSE(support::parse_record(bytes.substr(0, size)).is_whole) << size;
    }
    std::string shorter = bytes;
    shorter.erase(sizeof(RecordHeader) + sizeof(RecordEntry), sizeof(RecordEntry));
    EXPECT_EQ(support::parse_record(shorter).fault, "entry 1: one is missing");
    EXPECT_NE(support::parse_record(bytes + bytes).fault, "");
}

TEST_F(RecordOnDisk, AFailureIsFinal) {
    support::write_file(path_, "");
    RecordFile file(static_cast<Fd>(open(path_.c_str(), O_RDONLY | O_CLOEXEC)));
    EXPECT_FALSE(file.is_failed());
    file.append({.kind = RecordKind::sync});
    ASSERT_FALSE(file.flush());
    EXPECT_TRUE(file.is_failed());
    EXPECT_FALSE(file.flush());
    EXPECT_FALSE(file.finish());
    EXPECT_EQ(support::read_file(path_), "");
}

}  // namespace
}  // namespace blockd::io
