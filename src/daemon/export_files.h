// Opens, makes and closes the data files of all exports.
#pragma once

#include <string>
#include <vector>

#include "daemon/config.h"
#include "daemon/start_watch.h"
#include "io/recording_backend.h"
#include "server/log.h"
#include "server/server.h"

namespace blockd::daemon {

class ExportFiles {
  public:
    ExportFiles() = default;
    ExportFiles(const ExportFiles&) = delete;
    ExportFiles& operator=(const ExportFiles&) = delete;

    // Opens every file, then makes those that are missing; nothing is made when one cannot be
    // opened. Returns what went wrong, a sentence for each export. Logs each export's state: a
    // weak sync and a cached file are warnings. Blocks; between two files it stops when `watch`
    // says so.
    std::vector<std::string> open(const std::vector<ExportConfig>& configs, server::Log& log,
                                  StartWatch& watch);

    // As the server wants them, in the config's order.
    std::vector<server::ExportOptions> options(const std::vector<ExportConfig>& configs) const;

    // As a record names them, in the config's order.
    std::vector<io::RecordedFile> recorded_files(const std::vector<ExportConfig>& configs) const;

    // Syncs, unlocks and closes every file that open() opened. Blocks. Not called after an
    // unclean end: a sync that failed is not tried again, and the process' end unlocks.
    void close();

  private:
    bool open_one(const ExportConfig& config, io::DataFilePurpose purpose, io::DataFile& file);

    std::vector<io::DataFile> files_;  // At the config's places; Fd::none: not opened.
    std::vector<std::string> failures_;
};

}  // namespace blockd::daemon
