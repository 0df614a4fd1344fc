// The waterfall as JSON: what a part is, once, and how large each part is, by id.
#pragma once

#include <span>

#include <boost/json.hpp>

#include "profiling/waterfall/waterfall.hpp"

namespace plateau {

// {"id", "name", "meaning", "closed_by", "not_closed_by"}
boost::json::object to_json(const WaterfallPart& part);

// {ID: bytes, …}; a part that was not measured is left out.
boost::json::object to_json(std::span<const MeasuredPart> parts);

// Every field by its name; null where the allocator does not tell.
boost::json::object to_json(const HeapStatistics& heap);

}  // namespace plateau
