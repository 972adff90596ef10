#include "server/export_table.h"

#include <gtest/gtest.h>

#include <memory>

#include "storage/disk_fixture.h"

namespace blockd::server {
namespace {

using namespace nbd::transmission_flag;

class ExportTableTest : public ::testing::Test {
  protected:
    ExportTableTest() : world({.size = storage::test_disk_size}) {}

    Export& add(ExportOptions options) {
        options.file = file;
        table.add(std::make_unique<Export>(options, 8));
        return table.at(table.count() - 1);
    }

    storage::DiskWorld world;
    io::DataFile file = world.backend.file();
    ExportTable table{true};
};

TEST_F(ExportTableTest, FindsByName) {
    add({.name = "a"});
    add({.name = "b"});
    EXPECT_EQ(table.find("b"), 1u);
    EXPECT_EQ(table.find("c"), nbd::ExportDirectory::none);
}

TEST_F(ExportTableTest, EmptyNameIsTheOnlyExport) {
    EXPECT_EQ(table.find(""), nbd::ExportDirectory::none);
    add({.name = "a"});
    EXPECT_EQ(table.find(""), 0u);
    add({.name = "b"});
    EXPECT_EQ(table.find(""), nbd::ExportDirectory::none) << "two, and none is the default";
}

TEST_F(ExportTableTest, EmptyNameIsTheDefaultAmongMany) {
    add({.name = "a"});
    add({.name = "b", .is_default = true});
    EXPECT_EQ(table.find(""), 1u);
}

TEST_F(ExportTableTest, SizeIsTheConfiguredOneOrTheFiles) {
    EXPECT_EQ(add({.name = "a", .size = 12'345}).disk.size(), 12'345u);
    EXPECT_EQ(add({.name = "b"}).disk.size(), storage::test_disk_size);
    EXPECT_EQ(table.describe(0).size, 12'345u);
}

TEST_F(ExportTableTest, WritableExportOffersWhatTheFileCan) {
    EXPECT_EQ(add({.name = "all"}).flags(), has_flags | send_flush | send_fua | can_multi_conn |
                                                send_cache | send_write_zeroes | send_trim |
                                                send_fast_zero);
    file.can_punch_hole = false;
    EXPECT_EQ(add({.name = "no holes"}).flags() & (send_trim | send_fast_zero), send_fast_zero);
    file.can_zero_range = false;
    const uint16_t flags = add({.name = "plain"}).flags();
    EXPECT_EQ(flags & (send_trim | send_fast_zero | send_write_zeroes), send_write_zeroes);
}

// INFO and the GO that follows must tell the same, and so must all connections of one client.
TEST_F(ExportTableTest, WhatIsOfferedStaysWhenTheFileSystemTakesItBack) {
    Export& added = add({.name = "a"});
    const uint16_t flags = added.flags();
    world.backend.refuses_punch_hole = world.backend.refuses_zero_range = true;
    struct Finished {
        void finished(Result<Ok>) { is_done = true; }
        bool is_done = false;
    } finished;
    storage::DiskRequest trim;
    trim.command = storage::DiskCommand::trim;
    trim.size = 8192;
    trim.lane = &world.lane;
    trim.flow = &world.flow;
    trim.done = io::bind<&Finished::finished>(&finished);
    ASSERT_TRUE(added.disk.reserve(trim));
    added.disk.submit(trim);
    world.settle();
    ASSERT_TRUE(finished.is_done);
    EXPECT_EQ(added.flags(), flags);
    EXPECT_EQ(table.describe(0).flags, flags);
}

TEST_F(ExportTableTest, ReadOnlyExportOffersNoChange) {
    EXPECT_EQ(add({.name = "a", .is_read_only = true}).flags(),
              has_flags | read_only | send_flush | send_fua | can_multi_conn | send_cache);
}

}  // namespace
}  // namespace blockd::server
