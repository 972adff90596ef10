// Worlds as a whole: some seeds of the libraries that ship, in every test run.
#include "simulation/world.h"

#include <gtest/gtest.h>

#include "simulation/campaign.h"

namespace blockd::simulation {
namespace {

constexpr uint64_t seeds = 12;

TEST(World, OfTheFirstSeedsHasNothingToComplainOf) {
    for (uint64_t seed = 1; seed <= seeds; ++seed) {
        const Verdict verdict = World(seed, Swarm::draw(seed)).run();
        EXPECT_EQ(verdict.complaint, "") << "scripts/simulate --seed " << seed;
        EXPECT_GT(verdict.figures.operations_answered, 0u);
    }
}

TEST(World, LeavesTheSameTraceEachTime) {
    for (uint64_t seed = 1; seed <= seeds; ++seed) {
        const Verdict first = World(seed, Swarm::draw(seed)).run();
        const Verdict second = World(seed, Swarm::draw(seed)).run();
        EXPECT_EQ(first.trace_hash, second.trace_hash) << "seed " << seed;
    }
}

TEST(World, OfAnotherSeedIsAnotherWorld) {
    EXPECT_NE(World(1, Swarm::draw(1)).run().trace_hash, World(2, Swarm::draw(2)).run().trace_hash);
}

TEST(Swarm, SwitchesEachClassOfFaultsOffInSomeSeedsAndOnInOthers) {
    for (const SwarmParameter& parameter : swarm_parameters()) {
        if (!parameter.is_fault) continue;
        uint64_t on = 0;
        constexpr uint64_t drawn = 2'000;
        for (uint64_t seed = 0; seed < drawn; ++seed) {
            if (Swarm::draw(seed).*parameter.value != 0) ++on;
        }
        EXPECT_GT(on, 0u) << parameter.name;
        EXPECT_LT(on, drawn) << parameter.name;
    }
}

TEST(Swarm, TakesASettingWhateverTheSeed) {
    EXPECT_EQ(swarm_of(7, {{"clients", 3}}).clients, 3u);
    EXPECT_EXIT(swarm_of(7, {{"no_such", 3}}), ::testing::ExitedWithCode(2), "no parameter");
}

}  // namespace
}  // namespace blockd::simulation
