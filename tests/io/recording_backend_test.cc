// What is recorded, and in which order, of a loop on a backend that a test scripts.
#include "io/recording_backend.h"

#include "io/scripted_backend.h"

#include <blockd/io/loop.h>

#include <gtest/gtest.h>

#include <fcntl.h>

#include <array>
#include <string>
#include <vector>

#include "support/record_reader.h"
#include "support/temporary_directory.h"

namespace blockd::io {
namespace {

using support::RecordedEvent;
using support::RecordedKind;

constexpr Fd data_file{7};
constexpr Fd other_file{8};
constexpr Fd socket{9};

// Takes every callback, and what the recording says of its failure.
class Calls {
  public:
    void done(Result<Ok> result) { results.push_back(result ? 0 : -1); }
    void moved(Result<uint32_t> result) {
        results.push_back(result ? static_cast<int64_t>(*result) : -1);
    }
    void accepted(Result<Fd> result) {
        results.push_back(result ? static_cast<int64_t>(*result) : -1);
    }
    void failed(Error error) {
        ++failure_count;
        failure = error;
    }

    std::vector<int64_t> results;
    uint32_t failure_count = 0;
    Error failure = {.code = ErrorCode::os};
};

class Recording : public testing::Test {
  protected:
    void start(std::unique_ptr<RecordFile> record) {
        auto scripted = std::make_unique<ScriptedBackend>();
        backend_ = scripted.get();
        auto recording = std::make_unique<RecordingBackend>(
            std::move(scripted), RecordingBackend::Options{
                                     .record = std::move(record),
                                     .files = {{.fd = data_file, .name = "disk", .size = 1u << 20}},
                                     .failed = bind<&Calls::failed>(&calls_)});
        loop_ = std::make_unique<Loop>(std::move(recording));
    }
    void start() {
        Result<std::unique_ptr<RecordFile>> record = RecordFile::create(path_);
        ASSERT_TRUE(record);
        start(std::move(*record));
    }
    void finish_next(int64_t result) {
        backend_->complete_next(result);
        loop_->tick();
    }
    void write(Completion& completion, uint64_t offset, Fd file = data_file) {
        loop_->write(completion,
                     {.file = file, .buffer = std::as_bytes(std::span(data_)), .offset = offset},
                     bind<&Calls::moved>(&calls_));
    }
    void sync(Completion& completion) {
        loop_->sync(completion, {.file = data_file}, bind<&Calls::done>(&calls_));
    }
    support::Record record() const { return support::read_record(path_); }

    std::vector<RecordedKind> kinds() const {
        std::vector<RecordedKind> kinds;
        for (const RecordedEvent& event : record().events) kinds.push_back(event.kind);
        return kinds;
    }

    const support::TemporaryDirectory folder_;
    const std::string path_ = folder_.file("record");
    std::array<char, 512> data_{'x', 'y'};
    Calls calls_;
    ScriptedBackend* backend_ = nullptr;
    std::unique_ptr<Loop> loop_;
};

TEST_F(Recording, BeginsWithTheDataFilesAndEndsWithTheLoop) {
    start();
    EXPECT_EQ(kinds(), std::vector{RecordedKind::file});
    EXPECT_EQ(record().events[0].payload, "disk");
    EXPECT_EQ(record().events[0].file, 7u);
    EXPECT_EQ(record().events[0].size, 1u << 20);
    EXPECT_FALSE(record().is_whole);
    loop_.reset();
    EXPECT_TRUE(record().is_whole);
    EXPECT_EQ(calls_.failure_count, 0u);
}

TEST_F(Recording, AWriteStandsThereBeforeItIsDoneAndItsResultBeforeItsCallback) {
    start();
    Completion completion;
    write(completion, 8192);
    loop_->tick();
    ASSERT_EQ(kinds(), (std::vector{RecordedKind::file, RecordedKind::write}));
    const RecordedEvent submitted = record().events[1];
    EXPECT_EQ(submitted.file, 7u);
    EXPECT_EQ(submitted.offset, 8192u);
    EXPECT_EQ(submitted.payload, std::string(data_.data(), data_.size()));
    finish_next(512);
    ASSERT_EQ(kinds().size(), 3u);
    const RecordedEvent done = record().events[2];
    EXPECT_EQ(done.kind, RecordedKind::done);
    EXPECT_EQ(done.operation, submitted.operation);
    EXPECT_EQ(done.result, 512);
    EXPECT_EQ(calls_.results, std::vector<int64_t>{512});
}

TEST_F(Recording, RangesAndSyncsAreToldApartAndFailuresKept) {
    start();
    std::array<Completion, 3> completions;
    loop_->punch_hole(completions[0], {.file = data_file, .offset = 4096, .size = 8192},
                      bind<&Calls::done>(&calls_));
    loop_->zero_range(completions[1], {.file = data_file, .offset = 0, .size = 4096},
                      bind<&Calls::done>(&calls_));
    sync(completions[2]);
    loop_->tick();
    finish_next(-EOPNOTSUPP);
    finish_next(0);
    finish_next(-EIO);
    EXPECT_EQ(kinds(), (std::vector{RecordedKind::file, RecordedKind::punch_hole,
                                    RecordedKind::zero_range, RecordedKind::sync,
                                    RecordedKind::done, RecordedKind::done, RecordedKind::done}));
    const std::vector<RecordedEvent> events = record().events;
    EXPECT_EQ(events[1].offset, 4096u);
    EXPECT_EQ(events[1].size, 8192u);
    EXPECT_EQ(events[4].operation, events[1].operation);
    EXPECT_EQ(events[4].result, -EOPNOTSUPP);
    EXPECT_EQ(events[6].operation, events[3].operation);
    EXPECT_EQ(events[6].result, -EIO);
}

// The loop gives a sync to the system behind the writes that were called back before it.
TEST_F(Recording, ASyncStandsBehindTheWritesThatItCovers) {
    start();
    std::array<Completion, 3> completions;
    write(completions[0], 0);
    loop_->tick();
    finish_next(512);
    sync(completions[1]);
    write(completions[2], 512);
    loop_->tick();
    EXPECT_EQ(kinds(), (std::vector{RecordedKind::file, RecordedKind::write, RecordedKind::done,
                                    RecordedKind::sync, RecordedKind::write}));
    finish_next(0);
    finish_next(512);
}

TEST_F(Recording, OnlyTheDataFilesAndWhatIsSentCount) {
    start();
    std::array<Completion, 3> completions;
    write(completions[0], 0, other_file);
    loop_->read(
        completions[1],
        {.file = data_file, .buffer = std::as_writable_bytes(std::span(data_)), .offset = 0},
        bind<&Calls::moved>(&calls_));
    const IoVector vector = {.base = data_.data(), .size = 16};
    loop_->recv(completions[2], {.socket = socket, .vectors = {&vector, 1}},
                bind<&Calls::moved>(&calls_));
    loop_->tick();
    for (int count = 0; count < 3; ++count) finish_next(16);
    EXPECT_EQ(kinds(), std::vector{RecordedKind::file});
}

TEST_F(Recording, AReplyStandsThereBeforeItIsSent) {
    start();
    std::array<Completion, 3> completions;
    loop_->accept(completions[0], {.listener = other_file}, bind<&Calls::accepted>(&calls_));
    loop_->tick();
    finish_next(9);
    const std::array<IoVector, 2> vectors = {IoVector{data_.data(), 16},
                                             IoVector{data_.data() + 16, 4}};
    loop_->send(completions[1], {.socket = socket, .vectors = vectors},
                bind<&Calls::moved>(&calls_));
    loop_->tick();
    ASSERT_EQ(kinds(),
              (std::vector{RecordedKind::file, RecordedKind::connected, RecordedKind::send}));
    const std::vector<RecordedEvent> events = record().events;
    EXPECT_EQ(events[1].file, 9u);
    EXPECT_EQ(events[2].file, 9u);
    EXPECT_EQ(events[2].size, 20u);
    ASSERT_EQ(events[2].pieces.size(), 2u);
    EXPECT_EQ(events[2].pieces[0].bytes, std::string(data_.data(), 16));
    finish_next(17);
    loop_->close(completions[2], {.fd = socket}, bind<&Calls::done>(&calls_));
    loop_->tick();
    finish_next(0);
    const std::vector<RecordedEvent> later = record().events;
    ASSERT_EQ(later.size(), 5u);
    EXPECT_EQ(later[3].result, 17);
    EXPECT_EQ(later[4].kind, RecordedKind::closed);
    EXPECT_EQ(later[4].file, 9u);
}

TEST_F(Recording, WhatEndsAtOnceIsRecordedAsWell) {
    start();
    backend_->completes_at_once = true;
    Completion completion;
    sync(completion);
    loop_->tick();
    EXPECT_EQ(kinds(), (std::vector{RecordedKind::file, RecordedKind::sync, RecordedKind::done}));
}

// A daemon whose record cannot be written does nothing more: the disk and the clients stay as the
// record says.
TEST_F(Recording, NothingIsDoneThatCannotBeRecorded) {
    support::write_file(path_, "");
    start(std::make_unique<RecordFile>(static_cast<Fd>(open(path_.c_str(), O_RDONLY | O_CLOEXEC))));
    EXPECT_EQ(calls_.failure_count, 1u);
    EXPECT_STREQ(calls_.failure.during, "write the record");
    std::array<Completion, 2> completions;
    write(completions[0], 0);
    const IoVector vector = {.base = data_.data(), .size = 16};
    loop_->send(completions[1], {.socket = socket, .vectors = {&vector, 1}},
                bind<&Calls::moved>(&calls_));
    loop_->tick();
    EXPECT_EQ(backend_->submit_count, 0u);
    EXPECT_EQ(calls_.results, (std::vector<int64_t>{-1, -1}));
    EXPECT_EQ(calls_.failure_count, 1u);
    loop_.reset();
    EXPECT_EQ(calls_.failure_count, 1u);
    EXPECT_EQ(support::read_file(path_), "");
}

}  // namespace
}  // namespace blockd::io
