// A judge that finds nothing must be one that would have.
#include "crash/cut_contract.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace blockd::crash {
namespace {

using ::testing::HasSubstr;

constexpr Region region = {.offset = 0, .size = 4 * sector_size};

// Requests as they were sent and answered, one clock tick each; times of the server are given.
class Clients {
  public:
    // Returns its index.
    size_t send(RequestKind kind, uint64_t offset = 0, uint64_t size = 0, bool has_fua = false) {
        const size_t index = log_.size();
        log_.push_back({.kind = kind,
                        .has_fua = has_fua,
                        .offset = offset,
                        .size = size,
                        .data = stamped(index + 1, offset, size),
                        .sent = ++clock_});
        answers_.push_back(never);
        return index;
    }
    void answer(size_t index, uint64_t event) {
        log_[index].answered = ++clock_;
        answers_[index] = event;
    }
    // The server has answered, and the client has not seen it yet.
    void answer_unseen(size_t index, uint64_t event) { answers_[index] = event; }

    std::string violation(const std::string& image, uint64_t cut) const {
        const Contract contract({.requests = log_, .answers = answers_}, initial(), region);
        return contract.violation(image, cut).value_or("");
    }
    uint64_t promised_bytes(uint64_t cut) const {
        return Contract({.requests = log_, .answers = answers_}, initial(), region)
            .promised_bytes(cut);
    }

    static std::string initial() { return stamped(0, 0, region.size); }
    // The image with the writes of these requests in it, in this order.
    std::string with(const std::vector<size_t>& indices) const {
        std::string image = initial();
        for (const size_t index : indices) {
            image.replace(log_[index].offset, log_[index].size, log_[index].data);
        }
        return image;
    }

  private:
    ClientLog log_;
    std::vector<uint64_t> answers_;
    uint64_t clock_ = 0;
};

TEST(Contract, AFlushKeepsWhatWasAnsweredBeforeIt) {
    Clients clients;
    const size_t write = clients.send(RequestKind::write, 512, 512);
    clients.answer(write, 5);
    const size_t flush = clients.send(RequestKind::flush);
    clients.answer(flush, 9);
    EXPECT_EQ(clients.violation(Clients::initial(), 8), "");
    EXPECT_THAT(clients.violation(Clients::initial(), 9),
                HasSubstr("bytes 512+512 hold what was there at the start; promised: request 1"));
    EXPECT_EQ(clients.violation(clients.with({write}), 9), "");
    EXPECT_EQ(clients.promised_bytes(8), 0u);
    EXPECT_EQ(clients.promised_bytes(9), 512u);
}

TEST(Contract, AFlushOwesNothingToWhatWasNotAnsweredWhenItWasSent) {
    Clients clients;
    const size_t write = clients.send(RequestKind::write, 0, 512);
    const size_t flush = clients.send(RequestKind::flush);
    clients.answer(write, 5);
    clients.answer(flush, 9);
    EXPECT_EQ(clients.violation(Clients::initial(), 20), "");
    EXPECT_EQ(clients.violation(clients.with({write}), 20), "");
}

TEST(Contract, FuaKeepsItsOwnWriteAlone) {
    Clients clients;
    const size_t plain = clients.send(RequestKind::write, 0, 512);
    clients.answer(plain, 2);
    const size_t fua = clients.send(RequestKind::write, 1024, 512, true);
    clients.answer_unseen(fua, 5);
    EXPECT_EQ(clients.violation(Clients::initial(), 4), "");
    EXPECT_NE(clients.violation(Clients::initial(), 5), "");
    EXPECT_EQ(clients.violation(clients.with({fua}), 5), "");
}

TEST(Contract, AnOlderWriteDoesNotComeBackOverOneThatIsPromised) {
    Clients clients;
    const size_t older = clients.send(RequestKind::write, 0, 512);
    clients.answer(older, 2);
    const size_t newer = clients.send(RequestKind::write, 0, 512, true);
    clients.answer(newer, 5);
    const size_t newest = clients.send(RequestKind::write, 0, 512);
    EXPECT_EQ(clients.violation(clients.with({newer}), 6), "");
    EXPECT_EQ(clients.violation(clients.with({newest}), 6), "");
    EXPECT_THAT(clients.violation(clients.with({older}), 6), HasSubstr("hold request 1"));
    EXPECT_NE(clients.violation(Clients::initial(), 6), "");
}

TEST(Contract, WritesInFlightTogetherMayEndInEitherOrder) {
    Clients clients;
    const size_t one = clients.send(RequestKind::write, 0, 512, true);
    const size_t other = clients.send(RequestKind::write, 0, 512, true);
    clients.answer(one, 2);
    clients.answer(other, 3);
    EXPECT_EQ(clients.violation(clients.with({one}), 9), "");
    EXPECT_EQ(clients.violation(clients.with({other}), 9), "");
    EXPECT_NE(clients.violation(Clients::initial(), 9), "");
}

TEST(Contract, WhatIsNotPromisedMayBeTornBetweenSectors) {
    Clients clients;
    const size_t write = clients.send(RequestKind::write, 0, 1024);
    std::string image = clients.with({write});
    image.replace(512, 512, Clients::initial(), 512, 512);
    EXPECT_EQ(clients.violation(image, 3), "");
    image.replace(0, 256, Clients::initial(), 0, 256);
    EXPECT_THAT(clients.violation(image, 3), HasSubstr("bytes 0+512 hold bytes of nobody"));
}

TEST(Contract, TheNeighboursOfAWriteStay) {
    Clients clients;
    const size_t write = clients.send(RequestKind::write, 100, 700);
    clients.answer(write, 2);
    std::string image = clients.with({write});
    EXPECT_EQ(clients.violation(image, 3), "");
    image[99] = '\0';
    EXPECT_THAT(clients.violation(image, 3), HasSubstr("bytes 0+100 hold bytes of nobody"));
    image = clients.with({write});
    image[800] = '\0';
    EXPECT_NE(clients.violation(image, 3), "");
}

TEST(Contract, NothingIsThereThatWasNotSentYet) {
    Clients clients;
    const size_t first = clients.send(RequestKind::write, 0, 512);
    clients.answer(first, 4);
    const size_t second = clients.send(RequestKind::write, 512, 512);
    EXPECT_EQ(clients.violation(clients.with({second}), 4), "");
    EXPECT_NE(clients.violation(clients.with({second}), 3), "");
    std::string misplaced = clients.initial();
    misplaced.replace(1024, 512, stamped(second + 1, 512, 512));
    EXPECT_NE(clients.violation(misplaced, 9), "");
}

TEST(Contract, ZeroesArePromisedAndATrimIsAHint) {
    Clients clients;
    const size_t trim = clients.send(RequestKind::trim, 0, 512, true);
    clients.answer(trim, 2);
    const size_t zeroes = clients.send(RequestKind::write_zeroes, 512, 512, true);
    clients.answer(zeroes, 4);
    std::string image = Clients::initial();
    EXPECT_THAT(clients.violation(image, 4), HasSubstr("bytes 512+512"));
    image.replace(512, 512, 512, '\0');
    EXPECT_EQ(clients.violation(image, 4), "");
    image.replace(0, 512, 512, '\0');
    EXPECT_EQ(clients.violation(image, 4), "");
    image.replace(1024, 512, 512, '\0');
    EXPECT_NE(clients.violation(image, 4), "");
}

TEST(Contract, TheDiskKeepsItsSize) {
    const Clients clients;
    EXPECT_EQ(clients.violation(Clients::initial(), 0), "");
    EXPECT_NE(clients.violation(Clients::initial().substr(1), 0), "");
}

}  // namespace
}  // namespace blockd::crash
