// The exhaustive campaign: every script of up to three requests on four blocks, every point of its
// record at which something changes, and every subset of the open changes.
#pragma once

#include "crash/cut_results.h"
#include "crash/cut_workloads.h"

namespace blockd::crash {

// Only the jobs and the scratch folder of the options count.
void cut_all_scripts(const CampaignOptions& options, CutResults& results);

}  // namespace blockd::crash
