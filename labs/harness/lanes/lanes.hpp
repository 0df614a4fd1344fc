// The engine of every lab: worker threads that serve the lanes of a service, each operation when it is due.
//
// Three questions are answered apart, so that a lab which needs another answer replaces one and keeps the rest:
//   who     Turns: the workers of a lane follow one another, so that a lane's output is a function of its operations.
//           With one worker a lane nobody waits for a turn, and lanes are clients that work side by side.
//   when    from wait_until_due() in lanes.cpp comes the moment from which an operation's latency counts: when it is
//           due (open loop). A closed loop of N clients is N lanes, of one worker each, whose operation is due when the
//           one before it has been answered: a second function there, chosen by LaneShape.
//   how     LaneWorker::measure, and what ArmContext records.
// Time is compressed by the arm's TimeScale and nowhere here: a speed-up of 1 is real time. Servers that a lab needs
// beside the arm are started by the parent (see RunningArm::State), and reach the arm as its options.
#pragma once

#include "labs/harness/arm/arm_child.hpp"
#include "labs/harness/lanes/lane_service.hpp"

namespace plateau::harness {

// Runs all operations of the arm, and ends the process when the last is done; also by ArmContext's failure when
// anything throws. Called once, by the main thread.
//
// Workers start at once and build the heap; when it is built the arm becomes ready, and they serve. A worker that is
// done stays until the process ends: with the last thread of an arena jemalloc would purge it.
[[noreturn]] void run_lanes(ArmContext& context, LaneWork& service);

}  // namespace plateau::harness
