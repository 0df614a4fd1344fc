// Each detector's maker.
#pragma once

#include <memory>

#include "leakdemo/detector.hpp"

namespace plateau::leakdemo {

std::unique_ptr<Detector> leak_sanitizer(const Programs& programs);
std::unique_ptr<Detector> memcheck(const Programs& programs);
std::unique_ptr<Detector> gperftools_heap_checker(const Programs& programs);
std::unique_ptr<Detector> gperftools_difference(const Programs& programs);
std::unique_ptr<Detector> jemalloc_leak_report(const Programs& programs);
std::unique_ptr<Detector> jemalloc_difference(const Programs& programs);
std::unique_ptr<Detector> heaptrack(const Programs& programs);
// On the allocator that the program has anyway.
std::unique_ptr<Detector> plateau_agent(const Programs& programs);

}  // namespace plateau::leakdemo
