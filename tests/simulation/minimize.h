// Makes a failing world smaller: which faults it needs, and how little work.
#pragma once

#include "simulation/campaign.h"

namespace blockd::simulation {

// Prints the command that runs what is left of options.first_seed. 1 when the seed fails, as it
// must; 0 when it does not.
int minimize(const CampaignOptions& options);

}  // namespace blockd::simulation
